-- Writes every count of every item, and the list of them that `readItems` goes by.
---@param stateKey string
---@param items table<string, table<string, number>>
local function writeItems(stateKey, items)
  local skus, fields = {}, {}
  for sku, item in pairs(items) do
    skus[#skus + 1] = sku
    for _, name in ipairs({ 'total', 'available', 'held', 'paid', 'price' }) do
      fields[#fields + 1] = sku .. ':' .. name
      fields[#fields + 1] = whole(item[name])
    end
  end
  table.sort(skus)
  redis.call('HSET', stateKey, 'skus', table.concat(skus, ' '), unpack(fields))
end
