-- Begins an aggregation, or takes over one without progress. Returns its number; nothing if there is none.
-- KEYS: the scans, those being aggregated, the number of the last aggregation. ARGV: ms without progress before a takeover.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number = redis.call('HGET', KEYS[2], 'aggregation')
if number then
  -- A start in the future is from before Redis's clock was set back.
  local age = now - tonumber(redis.call('HGET', KEYS[2], 'since') or '0')
  if age >= 0 and age < tonumber(ARGV[1]) then
    return false
  end
  -- A write that frees memory comes first: after it, a Redis at its maxmemory allows the next one.
  redis.call('HDEL', KEYS[2], 'since')
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  -- Based on the time, so that numbers grow even if Redis lost the last one.
  number = math.max(now, tonumber(redis.call('GET', KEYS[3]) or '0') + 1)
  number = string.format('%.0f', number)
  redis.call('SET', KEYS[3], number)
else
  return false
end
redis.call('HSET', KEYS[2], 'aggregation', number, 'since', string.format('%.0f', now))
return number
