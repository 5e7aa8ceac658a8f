#!lua
local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local returnsKey = KEYS[6]
local epoch, chunk, isLast = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local FIRST_ORDER = 5
local ORDERS_MAX = 500
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local function whole(number)
  return string.format('%.0f', number)
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
local function parseBuyer(text)
  if not text then
    return { units = 0, paid = 0, holds = 0, endedAt = 0 }
  end
  local units, paid, holds, endedAt, rest = string.match(text, '^(%d+) (%d+) (%d+) (%d+)(.*)$')
  if not units then
    return nil
  end
  local items
  if rest ~= '' then
    local length = 0
    items = {}
    for words, sku, itemUnits, itemPaid in string.gmatch(rest, '( (%S+) ([1-9]%d*) (%d+))') do
      items[sku] = { units = tonumber(itemUnits), paid = tonumber(itemPaid) }
      length = length + #words
    end
    if length ~= #rest then
      return nil
    end
  end
  return {
    units = tonumber(units), paid = tonumber(paid), holds = tonumber(holds), endedAt = tonumber(endedAt), items = items,
  }
end
local function formatBuyer(buyer)
  local text = string.format('%.0f %.0f %.0f %.0f', buyer.units, buyer.paid, buyer.holds, buyer.endedAt)
  if buyer.items then
    local words = {}
    for sku, count in pairs(buyer.items) do
      if count.units > 0 then
        words[#words + 1] = string.format(' %s %.0f %.0f', sku, count.units, count.paid)
      end
    end
    table.sort(words)
    text = text .. table.concat(words)
  end
  return text
end
local function countItems(buyer, unitsOf, taken, paid, limits)
  buyer.items = buyer.items or {}
  for sku, units in pairs(unitsOf) do
    local count = buyer.items[sku]
    if not count and limits and limits[sku] then
      count = { units = 0, paid = 0 }
      buyer.items[sku] = count
    end
    if count then
      count.units, count.paid = count.units + taken * units, count.paid + paid * units
      if count.paid < 0 or count.units < count.paid then
        return false
      end
    end
  end
  return true
end
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
local stampedKeys = { buyers_stamp = buyersKey, keys_stamp = keysKey, holds_stamp = holdsKey, returns_stamp = returnsKey }
local gate, laneEpoch, laneChunk, fence, skus, itemLimitsText, holdsStamp =
  unpack(redis.call('HMGET', stateKey, 'gate', 'epoch', 'chunk', 'fence', 'skus', 'item_limits', 'holds_stamp'))
if not gate then
  return { 'missing' }
end
if gate ~= 'rebuilding' then
  return { 'open' }
end
laneEpoch, laneChunk = tonumber(laneEpoch), tonumber(laneChunk or '-1')
if laneEpoch == epoch and laneChunk >= chunk then
  return { 'loaded', laneChunk }
end
if chunk == 0 then
  if redis.call('XLEN', outboxKey) > 0 then
    return { 'outbox_not_empty' }
  end
  if laneEpoch >= epoch then
    return { 'epoch_not_higher' }
  end
elseif laneEpoch ~= epoch then
  return { 'epoch_not_higher' }
elseif laneChunk + 1 ~= chunk then
  return { 'chunk_not_next' }
end
local isStamped = holdsStamp and true
if chunk == 0 then
  isStamped = string.find(redis.call('INFO', 'cluster'), 'cluster_enabled:1', 1, true) ~= nil
end
local stamp = stampAfter(now())
if isStamped and chunk > 0 then
  for name, key in pairs(stampedKeys) do
    local last = redis.call('HGET', stateKey, name)
    if isTorn(last, key) then
      return { 'torn' }
    end
    stamp = stampAfter(0, stamp, last)
  end
end
local control, items, channels, itemLimits = nil, nil, {}, nil
if chunk == 0 then
  control, items = cjson.decode(ARGV[4]), {}
  applyTotals(items, control.items)
  for _, channel in ipairs(control.channels) do
    channels[channel.id] = true
  end
  itemLimits = parseItemLimits(formatItemLimits(control.items))
else
  items, itemLimits = readItems(stateKey, skus), parseItemLimits(itemLimitsText)
end
local buyers, buyerIds, channelUnits, channelPaid = {}, {}, {}, {}
local keyHashes, isTaken, holds, ended, returns = {}, {}, {}, {}, {}
local index = FIRST_ORDER
while ARGV[index] do
  local status, userId, keyHash = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local channelId, record = ARGV[index + 3], ARGV[index + 4]
  local endedAt, returnedText, lineCount = tonumber(ARGV[index + 5]), ARGV[index + 6], tonumber(ARGV[index + 7])
  if not endedAt or not lineCount or #keyHashes == ORDERS_MAX then
    return redis.error_reply('SECKILL_LOAD_ARGUMENTS malformed call')
  end
  if isTaken[keyHash] then
    return redis.error_reply('SECKILL_LOAD_KEY_TWICE two orders of the snapshot have one idempotency key')
  end
  isTaken[keyHash] = true
  keyHashes[#keyHashes + 1] = keyHash
  local target = status == 'pending' and holds or ended
  target[#target + 1] = keyHash
  target[#target + 1] = record
  index = index + 8
  local buyer = buyers[userId]
  if not buyer then
    buyer = parseBuyer(false)
    buyers[userId], buyerIds[#buyerIds + 1] = buyer, userId
  end
  buyer.holds, buyer.endedAt = buyer.holds + 1, math.max(buyer.endedAt, endedAt)
  if status == 'pending' or status == 'paid' then
    local name, quantity = status == 'pending' and 'held' or 'paid', 0
    local unitsOf = itemLimits and {}
    for line = index, index + 2 * lineCount - 1, 2 do
      local item, units = items[ARGV[line]], tonumber(ARGV[line + 1])
      if not item then
        return redis.error_reply('SECKILL_LOAD_SKU an order has a line of no item')
      end
      item[name] = item[name] + units
      item.available = item.available - units
      quantity = quantity + units
      if unitsOf then
        unitsOf[ARGV[line]] = (unitsOf[ARGV[line]] or 0) + units
      end
    end
    if returnedText ~= '' then
      local returned = parseReturned(returnedText)
      if not returned or status ~= 'paid' or returned.units > quantity then
        return redis.error_reply('SECKILL_LOAD_RETURNED an order has returned what it has not')
      end
      for sku, units in pairs(returned.of) do
        local item = items[sku]
        if not item or item.paid < units[2] then
          return redis.error_reply('SECKILL_LOAD_RETURNED an order has returned what it has not')
        end
        item.paid, item.available = item.paid - units[2], item.available + units[2]
        if unitsOf then
          unitsOf[sku] = (unitsOf[sku] or 0) - units[1]
        end
      end
      quantity = quantity - returned.units
      returns[#returns + 1], returns[#returns + 2] = keyHash, returnedText
    end
    if unitsOf and not countItems(buyer, unitsOf, 1, status == 'paid' and 1 or 0, itemLimits) then
      return redis.error_reply('SECKILL_LOAD_RETURNED an order has returned what it has not')
    end
    buyer.units = buyer.units + quantity
    if status == 'paid' then
      buyer.paid = buyer.paid + quantity
    end
    if channelId ~= '' then
      if not channels[channelId] then
        if chunk == 0 or redis.call('HEXISTS', stateKey, channelId .. ':cap') == 0 then
          return redis.error_reply('SECKILL_LOAD_CHANNEL an order has a channel the sale has not')
        end
        channels[channelId] = true
      end
      channelUnits[channelId] = (channelUnits[channelId] or 0) + quantity
      if status == 'paid' then
        channelPaid[channelId] = (channelPaid[channelId] or 0) + quantity
      end
    end
  elseif status ~= 'cancelled' and status ~= 'expired' then
    return redis.error_reply('SECKILL_LOAD_STATUS an order has an unknown status')
  end
  index = index + 2 * lineCount
end
if chunk > 0 and #keyHashes > 0 then
  for _, key in ipairs({ holdsKey, keysKey }) do
    for _, record in ipairs(redis.call('HMGET', key, unpack(keyHashes))) do
      if record then
        return redis.error_reply('SECKILL_LOAD_KEY_TWICE two orders of the snapshot have one idempotency key')
      end
    end
  end
end
if chunk > 0 and #buyerIds > 0 then
  for place, text in ipairs(redis.call('HMGET', buyersKey, unpack(buyerIds))) do
    local buyer, before = buyers[buyerIds[place]], parseBuyer(text)
    if not before then
      return redis.error_reply('SECKILL_LANE_BROKEN units of a buyer')
    end
    buyer.units, buyer.paid = buyer.units + before.units, buyer.paid + before.paid
    buyer.holds, buyer.endedAt = buyer.holds + before.holds, math.max(buyer.endedAt, before.endedAt)
    for sku, count in pairs(before.items or {}) do
      buyer.items = buyer.items or {}
      local known = buyer.items[sku] or { units = 0, paid = 0 }
      buyer.items[sku] = { units = known.units + count.units, paid = known.paid + count.paid }
    end
  end
end
for _, item in pairs(items) do
  if item.available < 0 then
    return redis.error_reply('SECKILL_LOAD_OVERSOLD the orders exceed the total')
  end
end
if chunk == 0 then
  local info = redis.pcall('XINFO', 'STREAM', outboxKey)
  for place = 1, #info, 2 do
    if info[place] == 'last-generated-id' and tonumber(string.match(info[place + 1], '^%d+')) >= epoch then
      redis.call('UNLINK', outboxKey)
    end
  end
  redis.call('UNLINK', stateKey, buyersKey, keysKey, holdsKey, returnsKey)
  redis.call(
    'HSET', stateKey,
    'gate', 'rebuilding', 'epoch', whole(epoch), 'sequence', '0', 'fence', fence or '0'
  )
  writeControl(stateKey, control)
end
writeItems(stateKey, items)
if #buyerIds > 0 then
  local written = {}
  for place, userId in ipairs(buyerIds) do
    written[2 * place - 1], written[2 * place] = userId, formatBuyer(buyers[userId])
  end
  redis.call('HSET', buyersKey, unpack(written))
end
for channelId, units in pairs(channelUnits) do
  redis.call('HINCRBY', stateKey, channelId .. ':units', whole(units))
end
for channelId, units in pairs(channelPaid) do
  redis.call('HINCRBY', stateKey, channelId .. ':units_paid', whole(units))
end
if #holds > 0 then
  redis.call('HSET', holdsKey, unpack(holds))
end
if #ended > 0 then
  redis.call('HSET', keysKey, unpack(ended))
end
if #returns > 0 then
  redis.call('HSET', returnsKey, unpack(returns))
end
if isStamped then
  for name, key in pairs(stampedKeys) do
    redis.call('HSET', stateKey, name, stamp)
    redis.call('HSET', key, STAMP, stamp)
  end
end
local layout = isStamped and STAMPED_LAYOUT or LAYOUT
redis.call('HSET', stateKey, 'chunk', whole(chunk), 'loaded', isLast and layout or layout .. PARTLY)
return { 'loaded', chunk }