-- Puts a dead letter back into the stream. Repeating it changes nothing.
-- KEYS: the dead or rejected stream, the stream. ARGV: the letter's id, then the event's fields and values.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
return 1
