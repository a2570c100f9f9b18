-- Claims entries that are still pending for the same consumer, so that two workers never claim the same entry.
-- Ignores how long an entry was idle: that follows Redis's clock, which may be set back.
-- KEYS: the stream. ARGV: group, new consumer, old consumer, delivery count to set (empty: one more), then ids.
-- Returns the entries.
local claimed = {}
for i = 5, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[3]) == 1 then
    local call = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id}
    if ARGV[4] ~= '' then
      call[#call + 1] = 'RETRYCOUNT'
      call[#call + 1] = ARGV[4]
    end
    local entry = redis.call(unpack(call))[1]
    if entry then
      claimed[#claimed + 1] = entry
    end
  end
end
return claimed
