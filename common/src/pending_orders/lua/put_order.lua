-- Stores a new order, unless its signature has made one, its person is blocked or has too many unpaid ones. Repeating
-- it changes nothing.
-- KEYS: the order, the person's open orders (sorted set: order number by expiry in ms), the mark of a blocked person, the
-- mark of the signature.
-- ARGV: the order's number, the order as JSON, its TTL in ms, the maximum number of open orders per person (0: no limit),
-- how long the signature is remembered in ms (0: it is not).
-- Returns an outcome and its details: {'stored'}, {'signature_used'}, {'blocked'} or {'too_many_open', ms until the first
-- of them expires}.
--
-- It only reads until the order is stored: Redis checks its memory limit only before a script's first write, so this first
-- write must be the SET.
local order_key, open_key, blocked_key, signed_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local number, order, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local remembered = tonumber(ARGV[5])

-- The api repeats the script if its connection broke after the first attempt.
if redis.call('EXISTS', order_key) == 1 then
  return {'stored'}
end
if remembered > 0 and redis.call('EXISTS', signed_key) == 1 then
  return {'signature_used'}
end

if redis.call('EXISTS', blocked_key) == 1 then
  return {'blocked'}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = string.format('%.0f', now)

-- Open orders that are paid, promoted or removed. A notify changes the expiry of its order, so an order is paid if its
-- expiry differs from the original one.
local closed = {}
if most > 0 and redis.call('ZCOUNT', open_key, '(' .. now_text, '+inf') >= most then
  local prefix = string.sub(order_key, 1, -#number - 1)
  local open, first = 0, nil
  local members = redis.call('ZRANGEBYSCORE', open_key, '(' .. now_text, '+inf', 'WITHSCORES')
  for place = 1, #members, 2 do
    local expires = tonumber(members[place + 1])
    local left = redis.call('PTTL', prefix .. members[place])
    if left >= 0 and math.abs(now + left - expires) <= 1000 then
      open = open + 1
      first = first or expires
    else
      closed[#closed + 1] = members[place]
    end
  end
  if open >= most then
    return {'too_many_open', string.format('%.0f', first - now)}
  end
end

redis.call('SET', order_key, order, 'PX', ARGV[3])
if remembered > 0 then
  redis.call('SET', signed_key, number, 'PX', ARGV[5])
end
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', open_key, '-inf', now_text)
  if #closed > 0 then
    redis.call('ZREM', open_key, unpack(closed))
  end
  redis.call('ZADD', open_key, string.format('%.0f', now + ttl), number)
  if redis.call('PTTL', open_key) < ttl then
    redis.call('PEXPIRE', open_key, ARGV[3])
  end
end
return {'stored'}
