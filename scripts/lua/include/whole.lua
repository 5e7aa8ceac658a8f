-- A whole number as decimal text. Lua's tostring turns 10^14 and above into 1e+14, which is no integer to
-- anyone else.
---@param number number
---@return string
local function whole(number)
  return string.format('%.0f', number)
end
