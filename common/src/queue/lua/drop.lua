-- Drops a dead letter. Its payment gets no other for some time: PayJS and payers may still name it.
-- KEYS: the dead stream, and for a payment its letter. ARGV: the letter's id, that time in s.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
if KEYS[2] then
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
end
return 1
