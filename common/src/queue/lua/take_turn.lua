-- Takes the turn to ask PayJS. Returns 0, or the ms that are left of another worker's turn.
-- KEYS: the lock of the turn. ARGV: its TTL in ms.
-- A lock with a longer TTL than was set is from before Redis's clock was set back.
local left = redis.call('PTTL', KEYS[1])
if left > 0 and left <= tonumber(ARGV[1]) then
  return left
end
-- Above maxmemory, Redis allows the second write because the first one frees memory.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 0
