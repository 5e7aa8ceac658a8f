-- Reads every item of the lane by SKU. Absolute writes later are safe: nothing runs between this reading and
-- them. The fields are read by name, because `state` also holds two fields for each of up to 1,000 channels.
---@param stateKey string
---@param skus string|false its field `skus`
---@return table<string, table<string, number>> items fields total, available, held, paid, price
local function readItems(stateKey, skus)
  local items, owners, names, fields = {}, {}, {}, {}
  for sku in string.gmatch(skus or '', '%S+') do
    items[sku] = {}
    for _, name in ipairs({ 'total', 'available', 'held', 'paid', 'price' }) do
      local place = #fields + 1
      owners[place], names[place], fields[place] = items[sku], name, sku .. ':' .. name
    end
  end
  if #fields > 0 then
    for place, value in ipairs(redis.call('HMGET', stateKey, unpack(fields))) do
      owners[place][names[place]] = tonumber(value)
    end
  end
  return items
end
