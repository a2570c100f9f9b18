-- Records that the payment of an order was refunded. Above maxmemory, Redis allows the second write because the first one
-- frees memory.
-- KEYS: the mark of the order's failure. ARGV: the mark's text, its TTL in s.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
