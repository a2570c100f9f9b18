-- Removes a consumer that neither lives nor holds anything. With pending entries it would take them along.
-- KEYS: the stream, the consumer's sign of life. ARGV: group, consumer.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then
  return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
