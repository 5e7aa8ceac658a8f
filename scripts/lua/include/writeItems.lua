-- Writes every count of every item.
---@param itemsKey string
---@param items table<string, table<string, number>>
local function writeItems(itemsKey, items)
  local fields = {}
  for sku, item in pairs(items) do
    for _, name in ipairs({ 'total', 'available', 'held', 'paid', 'price' }) do
      fields[#fields + 1] = sku .. ':' .. name
      fields[#fields + 1] = whole(item[name])
    end
  end
  if #fields > 0 then
    redis.call('HSET', itemsKey, unpack(fields))
  end
end
