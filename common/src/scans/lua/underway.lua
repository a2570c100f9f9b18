-- The scans of a code that are not, or may not be, in MongoDB, as one consistent snapshot.
-- KEYS: the number of the last aggregation, the scans being aggregated, the scans. ARGV: the fields of the code.
--
-- A script, not MULTI: there a Redis at its maxmemory refuses every command, even reads.
return {
  redis.call('GET', KEYS[1]),
  redis.call('HGET', KEYS[2], 'aggregation'),
  redis.call('HMGET', KEYS[2], unpack(ARGV)),
  redis.call('HMGET', KEYS[3], unpack(ARGV)),
}
