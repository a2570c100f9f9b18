-- Moves an event that is pending in this group to the dead or rejected stream. Repeating it changes nothing. A payment that
-- has a dead letter gets no second one. Returns 1 if it made one.
-- KEYS: the stream, the target stream, and if the payment is known the mark of its order's failure and the payment's letter.
-- ARGV: group, id, maximum length of the target (0: unbounded), reason, TTL of the mark in s, then fields and values.
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then
  return 0
end
-- Above maxmemory, Redis allows the later writes because the first ones free memory.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if KEYS[4] and redis.call('EXISTS', KEYS[4]) == 1 then
  return 0
end
local letter
if ARGV[3] == '0' then
  letter = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 6))
else
  letter = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 6))
end
if KEYS[4] then
  redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
  redis.call('SET', KEYS[4], letter)
end
return 1
