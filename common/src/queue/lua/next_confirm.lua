-- Moves the next confirm into the stream, with the field `turn`. Confirms before it whose order is gone, most likely
-- because it became a code, move too and take no turn: the worker checks MongoDB first and may send them back.
-- KEYS: the waiting confirms, the stream, the turns. ARGV: key prefix of orders, maximum number to move.
-- Returns how many it moved.
local moved = 0
local waiting = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1, 'WITHSCORES')
for place = 1, #waiting, 2 do
  local member, round = waiting[place], math.floor(waiting[place + 1])
  local event = cjson.decode(member)
  local fields = fields_of(event)
  local is_of_person = string.sub(event.asker or '', 1, 7) == 'person:'
  local is_first = event.attempt == '0'
  local takes_turn = not (is_of_person and is_first and redis.call('EXISTS', ARGV[1] .. event.out_trade_no) == 0)
  if takes_turn then
    fields[#fields + 1] = 'turn'
    fields[#fields + 1] = '1'
  end
  -- Above maxmemory, Redis allows the second write because the first one frees memory.
  redis.call('ZREM', KEYS[1], member)
  redis.call('XADD', KEYS[2], '*', unpack(fields))
  moved = moved + 1
  if takes_turn then
    if round > tonumber(redis.call('HGET', KEYS[3], 'round') or 0) then
      redis.call('HSET', KEYS[3], 'round', round)
    end
    return moved
  end
end
return moved
