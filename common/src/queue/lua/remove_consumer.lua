-- Removes a dead consumer without pending entries. Removing it with pending entries would lose them.
-- KEYS: the stream, the heartbeats. ARGV: group, consumer, its last known heartbeat (empty: none).
if (redis.call('HGET', KEYS[2], ARGV[2]) or '') ~= ARGV[3] then
  return 0
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
