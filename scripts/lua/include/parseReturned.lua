-- Reads what came back of a paid order: `<number>`, then of each item ` <sku> <units returned> <units of them
-- for sale again>`. All of it is since the payment, so that a later text says all of an earlier one.
---@param text string|false
---@return { number: number, skus: string[], of: table<string, number[]>, units: number }? nil: malformed
local function parseReturned(text)
  local returned = { number = 0, skus = {}, of = {}, units = 0 }
  if not text then
    return returned
  end
  local number, rest = string.match(text, '^([1-9]%d*)( .+)$')
  if not number then
    return nil
  end
  local length = 0
  for words, sku, units, restocked in string.gmatch(rest, '( (%S+) ([1-9]%d*) (%d+))') do
    if returned.of[sku] or tonumber(restocked) > tonumber(units) then
      return nil
    end
    returned.skus[#returned.skus + 1] = sku
    returned.of[sku] = { tonumber(units), tonumber(restocked) }
    returned.units = returned.units + tonumber(units)
    length = length + #words
  end
  if length ~= #rest then
    return nil
  end
  returned.number = tonumber(number)
  return returned
end
