-- Writes the record if none exists. KEYS: the record. ARGV: the record as JSON.
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- Above maxmemory, Redis allows the second write because the first one may free memory.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1])
end
