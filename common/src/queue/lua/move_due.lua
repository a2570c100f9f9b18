-- Moves a bounded number of due events back: confirms to those that wait for their turn, all others into the stream.
-- KEYS: the retry set, the stream, the waiting confirms, their turns.
-- ARGV: maximum number to move, maximum delay of any event in ms, rounds by which a confirm is delayed.
-- Returns how many it moved.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local parked = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
if #parked == 0 then
  -- No event is parked for longer, so its due time is from before Redis's clock was set back.
  local latest = string.format('(%.0f', now + ARGV[2])
  parked = redis.call('ZRANGEBYSCORE', KEYS[1], latest, '+inf', 'LIMIT', 0, ARGV[1])
end
for _, member in ipairs(parked) do
  -- Above maxmemory, Redis allows the second write because the first one frees memory.
  redis.call('ZREM', KEYS[1], member)
  local event = cjson.decode(member)
  if event.confirm then
    local number = redis.call('HINCRBY', KEYS[4], 'number', 1)
    local round = redis.call('HGET', KEYS[4], 'round') or 0
    redis.call('ZADD', KEYS[3], round + ARGV[3] + number % 1000000 / 1000000, member)
  else
    redis.call('XADD', KEYS[2], '*', unpack(fields_of(event)))
  end
end
return #parked
