-- The fields of an event from its JSON, as XADD takes them. Prepended to scripts that use it.
local function fields_of(event)
  local fields = {}
  for name, value in pairs(event) do
    if name ~= 'id' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  return fields
end
