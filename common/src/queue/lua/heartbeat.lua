-- Sets a consumer's heartbeat. KEYS: the heartbeats. ARGV: consumer, a value that it did not set before.
-- Above maxmemory, Redis allows the second write because the first one frees memory.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
