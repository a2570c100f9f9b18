-- Renews the lease of an aggregation, unless it is finished or replaced.
-- KEYS: the scans being aggregated. ARGV: the aggregation's number.
if redis.call('HGET', KEYS[1], 'aggregation') ~= ARGV[1] then
  return 0
end
-- A write that frees memory comes first: after it, a Redis at its maxmemory allows the next one.
redis.call('HDEL', KEYS[1], 'since')
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'since', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return 1
