-- Moves an event that this group still holds to the dead or rejected stream. Repeating it changes nothing.
-- KEYS: the stream, the target stream, and where the order is known the mark of its failure.
-- ARGV: group, id, longest target (0: any), reason, how long the mark lives in s, then fields and values.
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then
  return 0
end
if ARGV[3] == '0' then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 6))
else
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 6))
end
if KEYS[3] then
  redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
