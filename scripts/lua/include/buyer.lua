-- Reads what the lane knows of a buyer: the value of a field of `buyers`. Nothing is known of a new one.
---@param text string|false `<units> <paid> <holds> <endedAt>`, then ` <sku> <units> <paid>` of each item with
--- a limit of its own of which the buyer has some
---@return { units: number, paid: number, holds: number, endedAt: number,
--- items: table<string, { units: number, paid: number }>? }? buyer nil: a damaged count; its items nil: none
local function parseBuyer(text)
  if not text then
    return { units = 0, paid = 0, holds = 0, endedAt = 0 }
  end
  local units, paid, holds, endedAt, rest = string.match(text, '^(%d+) (%d+) (%d+) (%d+)(.*)$')
  if not units then
    return nil
  end
  local items
  if rest ~= '' then
    local length = 0
    items = {}
    for words, sku, itemUnits, itemPaid in string.gmatch(rest, '( (%S+) ([1-9]%d*) (%d+))') do
      items[sku] = { units = tonumber(itemUnits), paid = tonumber(itemPaid) }
      length = length + #words
    end
    if length ~= #rest then
      return nil
    end
  end
  return {
    units = tonumber(units), paid = tonumber(paid), holds = tonumber(holds), endedAt = tonumber(endedAt), items = items,
  }
end

-- The inverse of parseBuyer.
---@param buyer { units: number, paid: number, holds: number, endedAt: number,
--- items: table<string, { units: number, paid: number }>? }
---@return string
local function formatBuyer(buyer)
  local text = string.format('%.0f %.0f %.0f %.0f', buyer.units, buyer.paid, buyer.holds, buyer.endedAt)
  if buyer.items then
    local words = {}
    for sku, count in pairs(buyer.items) do
      if count.units > 0 then
        words[#words + 1] = string.format(' %s %.0f %.0f', sku, count.units, count.paid)
      end
    end
    table.sort(words)
    text = text .. table.concat(words)
  end
  return text
end

-- Moves what a buyer has of the items that have a limit of their own (INV-6).
---@param buyer table as parseBuyer gives it; changed in place
---@param unitsOf table<string, number> units by SKU
---@param taken 1|0|-1 how often `units` of the buyer gets them
---@param paid 1|0|-1 how often `paid` gets them
---@param limits table<string, number>? the items that are counted; nil: those of which the buyer has some
---@return boolean isSound false: the buyer would have less than nothing; some counts may be changed already
local function countItems(buyer, unitsOf, taken, paid, limits)
  buyer.items = buyer.items or {}
  for sku, units in pairs(unitsOf) do
    local count = buyer.items[sku]
    if not count and limits and limits[sku] then
      count = { units = 0, paid = 0 }
      buyer.items[sku] = count
    end
    if count then
      count.units, count.paid = count.units + taken * units, count.paid + paid * units
      if count.paid < 0 or count.units < count.paid then
        return false
      end
    end
  end
  return true
end
