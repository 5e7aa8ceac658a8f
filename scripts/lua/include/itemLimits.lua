-- The limits per buyer that items of a control state have of their own, as field `item_limits` of a lane.
---@param items { sku: string, limitPerBuyer: number? }[]
---@return string text `<sku>:<units>` of each that has one, separated by spaces
local function formatItemLimits(items)
  local limits = {}
  for _, item in ipairs(items) do
    if item.limitPerBuyer then
      limits[#limits + 1] = string.format('%s:%.0f', item.sku, item.limitPerBuyer)
    end
  end
  return table.concat(limits, ' ')
end

-- The inverse of formatItemLimits.
---@param text string|false false: an older build loaded the lane
---@return table<string, number>? limits units by SKU; nil: no item has one
local function parseItemLimits(text)
  if not text or text == '' then
    return nil
  end
  local limits = {}
  for sku, units in string.gmatch(text, '(%S+):(%d+)') do
    limits[sku] = tonumber(units)
  end
  return limits
end
