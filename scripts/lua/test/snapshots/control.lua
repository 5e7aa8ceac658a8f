#!lua flags=allow-oom
local stateKey, itemsKey, channelsKey = KEYS[1], KEYS[2], KEYS[3]
local runId, control = ARGV[1], cjson.decode(ARGV[2])
local function whole(number)
  return string.format('%.0f', number)
end
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId then
    return 'stale'
  end
  return 'open'
end
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
local function writeControl(stateKey, channelsKey, control)
  redis.call(
    'HSET', stateKey,
    'version', whole(control.version),
    'state', control.state,
    'opens_at', whole(control.opensAt),
    'closes_at', whole(control.closesAt),
    'hold_ms', whole(control.holdMs),
    'limit', control.limitPerBuyer and whole(control.limitPerBuyer) or '',
    'currency', control.currency
  )
  for _, channel in ipairs(control.channels) do
    redis.call('HSET', channelsKey, channel.id .. ':cap', channel.cap and whole(channel.cap) or '')
    redis.call('HSETNX', channelsKey, channel.id .. ':units', '0')
  end
end
local gate, openedRunId, epoch, version, loaded =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'version', 'loaded'))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { 'missing' }
end
if loaded ~= '1' then
  return { 'not_loaded' }
end
if control.version <= tonumber(version) then
  return { 'current', verdict, tonumber(epoch), tonumber(version) }
end
local items, named = readItems(itemsKey), {}
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
writeControl(stateKey, channelsKey, control)
writeItems(itemsKey, items)
return { 'applied', verdict, tonumber(epoch), control.version }