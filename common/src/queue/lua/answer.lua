-- Queues PayJS's signed answer that an order was paid, and remembers that. Above maxmemory, Redis allows the writes that
-- need memory because one came before that needs none: PayJS reports this payment no more, so the answer must not wait.
-- KEYS: the order, its mark of the last confirm, the stream.
-- ARGV: how long the order lives in s, what the mark says, how long it lives in s, the fields of the event.
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[3], '*', unpack(ARGV, 4))
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
