-- Where the last line of a hold record begins. A line has three words. One word more is the record's extra, a
-- JSON object, as no SKU begins (services/stock/src/redis/hold-record.ts).
---@param facts string[] the words of the record
---@param firstLine number the place of the first line
---@return number? place nil: the record breaks off within a line, or has none
local function lastLineOf(facts, firstLine)
  local words = #facts + 1 - firstLine
  local lines = math.floor(words / 3)
  local isExtra = words % 3 == 1 and string.sub(facts[#facts], 1, 1) == '{'
  if lines < 1 or (words % 3 ~= 0 and not isExtra) then
    return nil
  end
  return firstLine + 3 * (lines - 1)
end
