-- The inverse of parseBuyer.
---@param buyer { units: number, paid: number, holds: number, endedAt: number }
---@return string
local function formatBuyer(buyer)
  return string.format('%.0f %.0f %.0f %.0f', buyer.units, buyer.paid, buyer.holds, buyer.endedAt)
end
