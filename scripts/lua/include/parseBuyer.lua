-- Reads what the lane knows of a buyer: the value of a field of `buyers`. Nothing is known of a new one.
---@param text string|false
---@return { units: number, paid: number, holds: number, endedAt: number }? buyer nil: a damaged count
local function parseBuyer(text)
  if not text then
    return { units = 0, paid = 0, holds = 0, endedAt = 0 }
  end
  local units, paid, holds, endedAt = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')
  if not units then
    return nil
  end
  return { units = tonumber(units), paid = tonumber(paid), holds = tonumber(holds), endedAt = tonumber(endedAt) }
end
