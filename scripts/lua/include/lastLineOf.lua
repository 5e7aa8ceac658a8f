-- Where the last line of a hold record begins. A line has three words. Behind the lines may stand what was
-- bought, where kits took the units (`=…`), and the record's extra, a JSON object. No SKU begins as these do
-- (services/stock/src/redis/hold-record.ts).
---@param facts string[] the words of the record
---@param firstLine number the place of the first line
---@return number? place nil: the record breaks off within a line, or has none
local function lastLineOf(facts, firstLine)
  local last = #facts
  for _, sign in ipairs({ '{', '=' }) do
    if string.sub(facts[last] or '', 1, 1) == sign then
      last = last - 1
    end
  end
  local words = last + 1 - firstLine
  if words < 3 or words % 3 ~= 0 then
    return nil
  end
  return last - 2
end
