-- Queues a confirm, at most one per order in a while.
-- KEYS: the order's confirm mark, the stream. ARGV: the while in s, then the event's fields and values.
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then
  return 0
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
return 1
