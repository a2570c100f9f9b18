-- Creates the stream and its group if they do not exist.
-- KEYS: the stream. ARGV: group.
--
-- Redis checks its memory limit only before a script's first write. PERSIST needs no memory and changes nothing, since the
-- stream never expires. After it, a Redis at its maxmemory creates the group too.
redis.call('PERSIST', KEYS[1])
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
return 'OK'
