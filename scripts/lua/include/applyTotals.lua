-- Brings the totals and prices of a control state into the items: available moves by as much as the total.
---@param items table<string, table<string, number>> changed in place; an unknown item starts at zero
---@param controlItems { sku: string, price: number, total: number }[]
---@return string? sku the first item whose new total would be below what is held and paid (INV-1)
---@return number? taken units of that item held and paid
local function applyTotals(items, controlItems)
  for _, wanted in ipairs(controlItems) do
    local item = items[wanted.sku] or { total = 0, available = 0, held = 0, paid = 0 }
    item.available = item.available + wanted.total - item.total
    item.total = wanted.total
    item.price = wanted.price
    items[wanted.sku] = item
    if item.available < 0 then
      return wanted.sku, item.held + item.paid
    end
  end
end
