-- Enqueues PayJS's signed answer that an order was paid, and sets the mark for it. Above maxmemory, Redis allows writes that
-- need memory if one before them needs none. PayJS sends no more notifies for this payment, so the answer must not wait.
-- KEYS: the order, its mark of the last confirm, the stream.
-- ARGV: TTL of the order in s, text of the mark, its TTL in s, the fields of the event.
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[3], '*', unpack(ARGV, 4))
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
