-- Deletes the aggregated scans, unless they belong to another aggregation.
-- KEYS: the scans being aggregated. ARGV: the aggregation's number.
if redis.call('HGET', KEYS[1], 'aggregation') ~= ARGV[1] then
  return 0
end
return redis.call('UNLINK', KEYS[1])
