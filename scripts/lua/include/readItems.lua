-- Every item of the lane by SKU. Absolute writes later are safe: nothing runs between this reading and them.
---@param itemsKey string
---@return table<string, table<string, number>> items fields total, available, held, paid, price
local function readItems(itemsKey)
  local fields = redis.call('HGETALL', itemsKey)
  local items = {}
  for index = 1, #fields, 2 do
    local sku, name = string.match(fields[index], '^([^:]+):(%l+)$')
    items[sku] = items[sku] or {}
    items[sku][name] = tonumber(fields[index + 1])
  end
  return items
end
