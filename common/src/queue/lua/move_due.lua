-- Puts parked events whose time has come back into the stream, a bounded number at once.
-- KEYS: the retry set, the stream. ARGV: the most to move. Returns how many it moved.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local parked = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(parked) do
  local fields = {}
  for name, value in pairs(cjson.decode(member)) do
    if name ~= 'id' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  redis.call('XADD', KEYS[2], '*', unpack(fields))
  redis.call('ZREM', KEYS[1], member)
end
return #parked
