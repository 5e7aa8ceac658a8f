-- Writes what order decided: state, window, limits, caps, items' rules. The counts of items and channels
-- are written elsewhere.
---@param stateKey string
---@param control table ControlState of packages/contracts
local function writeControl(stateKey, control)
  local pausedSkus, quantityRules = {}, {}
  local function note(item)
    if item.paused then
      pausedSkus[#pausedSkus + 1] = item.sku
    end
    if item.minQuantity or item.step then
      local step = item.step or 1
      local minimum = math.max(item.minQuantity or 1, step)
      quantityRules[#quantityRules + 1] = item.sku .. ':' .. whole(minimum) .. ':' .. whole(step)
    end
  end
  for _, list in ipairs({ control.items, control.kits or {} }) do
    for _, item in ipairs(list) do
      note(item)
    end
  end
  local capMin
  for _, channel in ipairs(control.channels) do
    if channel.cap and (not capMin or channel.cap < capMin) then
      capMin = channel.cap
    end
  end
  redis.call(
    'HSET', stateKey,
    'version', whole(control.version),
    'state', control.state,
    'opens_at', whole(control.opensAt),
    'closes_at', whole(control.closesAt),
    'hold_ms', whole(control.holdMs),
    'limit', control.limitPerBuyer and whole(control.limitPerBuyer) or '',
    'holds_max', control.holdsPerBuyerMax and whole(control.holdsPerBuyerMax) or '',
    'rejoin_ms', control.rejoinMs and whole(control.rejoinMs) or '',
    'paused_skus', table.concat(pausedSkus, ' '),
    'quantity_rules', table.concat(quantityRules, ' '),
    'item_limits', formatItemLimits(control.items),
    'kits', formatKits(control.kits),
    'cap_min', capMin and whole(capMin) or '',
    'currency', control.currency
  )
  for _, channel in ipairs(control.channels) do
    redis.call('HSET', stateKey, channel.id .. ':cap', channel.cap and whole(channel.cap) or '')
    redis.call('HSETNX', stateKey, channel.id .. ':units', '0')
    redis.call('HSETNX', stateKey, channel.id .. ':units_paid', '0')
  end
end
