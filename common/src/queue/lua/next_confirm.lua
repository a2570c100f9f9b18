-- Puts the confirm whose turn it is into the stream, with the field `turn`. Confirms whose order is gone, most likely because
-- it has become a code, go before it and take no turn: the worker looks first, and may send them back. Returns how many
-- it moved.
-- KEYS: the waiting confirms, the stream, the turns. ARGV: what the order's number follows in the key of an order, the most to move.
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
