-- Lets a confirm wait for its turn, at most one for each order, and a bounded number for each asker and in all.
-- KEYS: the order's mark of its last confirm, the asker's set of confirms on their way, the waiting confirms, the turns, the
-- asker's next round, the order, and of a person their open orders.
-- ARGV: the order's number, how long the mark lives in s, the most of one asker, the most in all, how long the set
-- lives in s, how long an order lives that is said to be paid in s, the event.
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then
  return 'waiting'
end
if redis.call('GET', KEYS[1]) == 'paid' then
  return 'waiting'
end
-- A mark with more time left than it was given is from before Redis's clock was set back.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= ARGV[2] * 1000 then
  return 'asked'
end
local own = redis.call('SCARD', KEYS[2])
if own >= tonumber(ARGV[3]) or redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[4]) then
  return 'full'
end
-- The order must still be there when PayJS has answered and MongoDB is back.
local life = redis.call('TTL', KEYS[6])
if life >= 0 and life < tonumber(ARGV[6]) then
  redis.call('EXPIRE', KEYS[6], ARGV[6])
  -- It is no less open for that: only a payment makes its life differ from what is noted there.
  if KEYS[7] then
    local time = redis.call('TIME')
    local expires = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[6] * 1000
    redis.call('ZADD', KEYS[7], 'XX', string.format('%.0f', expires), ARGV[1])
    redis.call('EXPIRE', KEYS[7], ARGV[6])
  end
end
-- Turns go round (start-time fair queueing): an asker has one turn in a round, and the round goes on with the turns that are
-- taken. Within a round, who came first goes first. No asker is further ahead than all that wait could bring it.
local round = tonumber(redis.call('HGET', KEYS[4], 'round') or 0)
local own_round = math.max(round, tonumber(redis.call('GET', KEYS[5]) or 0))
own_round = math.min(own_round, round + redis.call('ZCARD', KEYS[3]) + 1)
local number = redis.call('HINCRBY', KEYS[4], 'number', 1)
redis.call('ZADD', KEYS[3], own_round + number % 1000000 / 1000000, ARGV[7])
redis.call('SET', KEYS[5], own_round + 1, 'EX', ARGV[5])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('SET', KEYS[1], '1', 'EX', ARGV[2])
return 'queued'
