-- The fields of an event that waited as JSON, as XADD takes them. This text stands before a script that uses it.
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
