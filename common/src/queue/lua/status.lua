-- The state of one partition. Only reads, so it also works in a Redis without memory.
-- KEYS: the stream, the retry set, the dead and the rejected stream, the waiting confirms. ARGV: group.
-- Returns now in ms, the length of the stream, `received_at` of the first entry ('' without one), the number of parked events
-- and of those that are due, the earliest `received_at` of parked events ('' without one), the number of confirms, dead
-- letters, rejected events and entries ever added, and name and pending of each consumer.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

-- The value after `name` in a flat list of names and values.
local function value_of(list, name)
  for place = 1, #list, 2 do
    if list[place] == name then
      return list[place + 1]
    end
  end
end

-- The minimum of `known` and the `received_at` of these parked events. In their JSON, quotes within a text are escaped.
local function earliest(events, known)
  for _, event in ipairs(events) do
    local received = tonumber(string.match(event, '"received_at":"(%d+)"'))
    if received and (not known or received < known) then
      known = received
    end
  end
  return known
end

-- With many parked events, only those that are due first and last are examined.
local looked_at = 100
local parked = earliest(redis.call('ZRANGE', KEYS[2], 0, looked_at - 1))
parked = earliest(redis.call('ZREVRANGE', KEYS[2], 0, looked_at - 1), parked)

local received, added, consumers = '', 0, {}
if redis.call('EXISTS', KEYS[1]) == 1 then
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  received = first and value_of(first[2], 'received_at') or ''
  -- Redis before 7 lacks this field.
  added = value_of(redis.call('XINFO', 'STREAM', KEYS[1]), 'entries-added') or 0
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if value_of(group, 'name') == ARGV[1] then
      for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
        consumers[#consumers + 1] = {value_of(consumer, 'name'), value_of(consumer, 'pending')}
      end
    end
  end
end
return {
  now, redis.call('XLEN', KEYS[1]), received,
  redis.call('ZCARD', KEYS[2]), redis.call('ZCOUNT', KEYS[2], '-inf', now),
  parked and string.format('%.0f', parked) or '',
  redis.call('ZCARD', KEYS[5]), redis.call('XLEN', KEYS[3]), redis.call('XLEN', KEYS[4]), added, consumers,
}
