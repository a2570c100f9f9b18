-- Drops what was folded, unless it is that of another fold by now. KEYS: the scans being folded. ARGV: the fold's number.
if redis.call('HGET', KEYS[1], 'fold') ~= ARGV[1] then
  return 0
end
return redis.call('UNLINK', KEYS[1])
