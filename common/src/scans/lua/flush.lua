-- Adds a batch of counts; repeating it changes nothing.
-- KEYS: the scans, the last batch of this process. ARGV: the number of the batch, seconds to remember it, field, count, ...
-- Returns how many counts could not be added, because the stored value is not a number.
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
-- A script that fails keeps its earlier writes. So whatever can fail for the whole batch comes before the first write.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE the scans are not a hash')
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
local failed = 0
for place = 3, #ARGV, 2 do
  local count = redis.pcall('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
  if type(count) == 'table' then
    failed = failed + 1
  end
end
return failed
