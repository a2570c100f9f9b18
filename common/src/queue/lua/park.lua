-- Parks an event that is pending in this group until its next attempt. Repeating it changes nothing.
-- KEYS: the stream, the retry set. ARGV: group, id, delay in ms, the event as JSON.
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then
  return 0
end
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
-- Above maxmemory, Redis allows the last write because the earlier ones free memory.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[4])
return 1
