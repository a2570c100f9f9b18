-- Puts the confirm whose turn it is into the stream. Returns 1, or 0 when none waits.
-- KEYS: the waiting confirms, the stream.
local member = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
if not member then
  return 0
end
local fields = {}
for name, value in pairs(cjson.decode(member)) do
  if name ~= 'id' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
-- Above maxmemory, Redis allows the second write because the first one frees memory.
redis.call('ZREM', KEYS[1], member)
redis.call('XADD', KEYS[2], '*', unpack(fields))
return 1
