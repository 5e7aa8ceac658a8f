#!lua flags=allow-oom
local stateKey = KEYS[1]
local runId, control = ARGV[1], cjson.decode(ARGV[2])
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number)
  return string.format('%.0f', number)
end
local LAYOUT = '2'
local STAMPED_LAYOUT = '3'
local PARTLY = ' partly'
local function isLoaded(loaded)
  return loaded == LAYOUT or loaded == STAMPED_LAYOUT
end
local function isOtherLayout(loaded)
  return loaded and not isLoaded(loaded) and loaded ~= LAYOUT .. PARTLY and loaded ~= STAMPED_LAYOUT .. PARTLY
end
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId .. ':' .. LAYOUT and openedRunId ~= runId .. ':' .. STAMPED_LAYOUT then
    return 'stale'
  end
  return 'open'
end
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
local function formatItemLimits(items)
  local limits = {}
  for _, item in ipairs(items) do
    if item.limitPerBuyer then
      limits[#limits + 1] = string.format('%s:%.0f', item.sku, item.limitPerBuyer)
    end
  end
  return table.concat(limits, ' ')
end
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
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local gate, openedRunId, epoch, version, loaded, skus =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'version', 'loaded', 'skus'))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { 'missing' }
end
if not isLoaded(loaded) then
  return { 'not_loaded' }
end
local adjustments = {}
for _, wanted in ipairs(control.items) do
  local adjustment = wanted.adjustment
  if adjustment then
    local field = wanted.sku .. ':adjusted'
    local id, taken = string.match(redis.call('HGET', stateKey, field) or '', '^(%S+) (%d+)$')
    adjustment.sku, adjustment.field = wanted.sku, field
    adjustment.taken = id == adjustment.id and tonumber(taken) or nil
    wanted.total = wanted.total - (adjustment.taken or 0)
    adjustments[#adjustments + 1] = adjustment
  end
end
local function told(outcome, atVersion)
  local answer = { outcome, verdict, tonumber(epoch), atVersion }
  for _, adjustment in ipairs(adjustments) do
    if adjustment.taken then
      answer[#answer + 1], answer[#answer + 2] = adjustment.id, adjustment.taken
    end
  end
  return answer
end
if control.version <= tonumber(version) then
  return told('current', tonumber(version))
end
local items, named = readItems(stateKey, skus), {}
for _, item in ipairs(control.items) do
  named[item.sku] = true
end
for sku in pairs(items) do
  if not named[sku] then
    return { 'item_missing', sku }
  end
end
local tooLow, taken = applyTotals(items, control.items)
if tooLow then
  return { 'total_too_low', tooLow, taken }
end
for _, adjustment in ipairs(adjustments) do
  if not adjustment.taken then
    local item = items[adjustment.sku]
    adjustment.taken = math.min(adjustment.quantity, item.available)
    item.available, item.total = item.available - adjustment.taken, item.total - adjustment.taken
  end
end
writeControl(stateKey, control)
writeItems(stateKey, items)
for _, wanted in ipairs(control.items) do
  redis.call('HDEL', stateKey, wanted.sku .. ':adjusted')
end
for _, adjustment in ipairs(adjustments) do
  redis.call('HSET', stateKey, adjustment.field, adjustment.id .. ' ' .. whole(adjustment.taken))
end
tellChange(stateKey, 'control', now())
return told('applied', control.version)