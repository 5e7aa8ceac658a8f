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

-- The kits of a control state, as field `kits` of a lane.
---@param kits { sku: string, price: number, parts: { sku: string, quantity: number }[] }[]? nil: none
---@return string text `<sku>:<price>:<part>*<units>,<part>*<units>…` of each, separated by spaces
local function formatKits(kits)
  local texts = {}
  for _, kit in ipairs(kits or {}) do
    local parts = {}
    for _, part in ipairs(kit.parts) do
      parts[#parts + 1] = string.format('%s*%.0f', part.sku, part.quantity)
    end
    texts[#texts + 1] = string.format('%s:%.0f:%s', kit.sku, kit.price, table.concat(parts, ','))
  end
  return table.concat(texts, ' ')
end

-- The inverse of formatKits.
---@param text string|false false: an older build loaded the lane
---@return table<string, { price: string, parts: { sku: string, quantity: number }[] }>? kits by SKU; nil:
--- none
local function parseKits(text)
  if not text or text == '' then
    return nil
  end
  local kits = {}
  for sku, price, partsText in string.gmatch(text, '([^%s:]+):(%d+):(%S+)') do
    local parts = {}
    for part, quantity in string.gmatch(partsText, '([^,*]+)%*(%d+)') do
      parts[#parts + 1] = { sku = part, quantity = tonumber(quantity) }
    end
    kits[sku] = { price = price, parts = parts }
  end
  return kits
end
