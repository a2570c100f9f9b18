-- Enqueues a confirm, which waits for its turn: at most one per order, and a bounded number per asker and in total.
-- KEYS: the order's mark of its last confirm, the asker's set of queued confirms, the waiting confirms, the turns, the
-- asker's next round, the order, and for a person their open orders.
-- ARGV: the order's number, TTL of the mark in s, maximum per asker, maximum in total, maximum rounds ahead, TTL of the set
-- in s, TTL of an order until PayJS has answered in ms, TTL of an unpaid order in ms, the event.
local number, asker_ttl, kept_for = ARGV[1], ARGV[6], tonumber(ARGV[7])
local event = ARGV[9]
if redis.call('SISMEMBER', KEYS[2], number) == 1 then
  return 'waiting'
end
if redis.call('GET', KEYS[1]) == 'paid' then
  return 'waiting'
end
-- A mark with a longer TTL than was set is from before Redis's clock was set back.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= ARGV[2] * 1000 then
  return 'asked'
end
-- Turns go round (start-time fair queueing): an asker has one turn per round, and taking turns advances the round. Within a
-- round the first to come is served first. No asker is further ahead than the waiting confirms allow.
local waiting = redis.call('ZCARD', KEYS[3])
local round = tonumber(redis.call('HGET', KEYS[4], 'round') or 0)
local own_round = math.max(round, tonumber(redis.call('GET', KEYS[5]) or 0))
own_round = math.min(own_round, round + waiting + 1)
local own = redis.call('SCARD', KEYS[2])
if own >= tonumber(ARGV[3]) or waiting >= tonumber(ARGV[4]) or own_round - round >= tonumber(ARGV[5]) then
  return 'full'
end
-- The order must still exist when PayJS has answered and MongoDB has recovered.
local life = redis.call('PTTL', KEYS[6])
if life >= 0 and life < kept_for then
  redis.call('PEXPIRE', KEYS[6], kept_for)
  -- The order stays open, unless a notify has reported it: then its TTL is longer than an unpaid order's.
  if life <= tonumber(ARGV[8]) then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local kept_until = string.format('%.0f', now + kept_for)
    if KEYS[7] then
      redis.call('ZADD', KEYS[7], 'XX', kept_until, number)
      redis.call('PEXPIRE', KEYS[7], kept_for)
    end
    local fields = cjson.decode(event)
    fields.expiry = string.format('%.0f,', now + life) .. kept_until
    event = cjson.encode(fields)
  end
end
local count = redis.call('HINCRBY', KEYS[4], 'number', 1)
redis.call('ZADD', KEYS[3], own_round + count % 1000000 / 1000000, event)
redis.call('SET', KEYS[5], own_round + 1, 'EX', asker_ttl)
redis.call('SADD', KEYS[2], number)
redis.call('EXPIRE', KEYS[2], asker_ttl)
redis.call('SET', KEYS[1], '1', 'EX', ARGV[2])
return 'queued'
