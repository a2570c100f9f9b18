-- Puts a dead letter back into the stream. Repeating it changes nothing.
-- KEYS: the dead or rejected stream, the stream, and for a payment its letter.
-- ARGV: the letter's id, then the event's fields and values.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
if KEYS[3] then
  redis.call('DEL', KEYS[3])
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
return 1
