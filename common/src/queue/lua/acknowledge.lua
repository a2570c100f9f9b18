-- Acknowledges finished events. Repeating it changes nothing.
-- KEYS: the stream, the keys to delete with the events (orders and marks of their failure), then the sets of confirms.
-- ARGV: group, number of keys to delete, number of events, the ids of the events, then for each set the member to remove.
--
-- A script, not MULTI: there a Redis at its maxmemory refuses every command, even those that free memory.
local gone, events = tonumber(ARGV[2]), tonumber(ARGV[3])
if gone > 0 then
  redis.call('DEL', unpack(KEYS, 2, 1 + gone))
end
for place = 2 + gone, #KEYS do
  redis.call('SREM', KEYS[place], ARGV[3 + events + place - 1 - gone])
end
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 4, 3 + events))
redis.call('XDEL', KEYS[1], unpack(ARGV, 4, 3 + events))
return events
