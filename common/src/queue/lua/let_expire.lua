-- Gives an order that is not paid back the expiry that it had before a confirm. One that a notify has reported since has
-- another expiry, and is left alone. Repeating it changes nothing.
-- KEYS: the order, and of a person their open orders.
-- ARGV: the order's number, its expiry before the confirm and since as `ms,ms` of Unix time.
local before, since = string.match(ARGV[2], '^(%d+),(%d+)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = redis.call('PTTL', KEYS[1])
if left < 0 or not since or math.abs(now + left - since) > 1000 then
  return 0
end
redis.call('PEXPIRE', KEYS[1], math.max(before - now, 1))
if KEYS[2] then
  redis.call('ZADD', KEYS[2], 'XX', before, ARGV[1])
end
return 1
