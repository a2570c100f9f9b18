-- Restores the expiry that an unpaid order had before a confirm. Leaves an order alone if a notify has changed its expiry
-- since. Repeating it changes nothing.
-- KEYS: the order, and for a person their open orders.
-- ARGV: the order's number, its expiry before and after the confirm as `ms,ms` of Unix time.
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
