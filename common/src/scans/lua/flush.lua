-- Adds a batch of counts, once however often it is sent.
-- KEYS: the scans, the last batch of this process. ARGV: the number of the batch, seconds to remember it, field, count, ...
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
for place = 3, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
end
return 1
