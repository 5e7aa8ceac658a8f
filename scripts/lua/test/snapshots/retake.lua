#!lua
local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2] or '', '^%d+$'))
local random, keyHash = ARGV[3], ARGV[4]
local FIRST_LINE = 10
local STATE_FIELDS = 6
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
local function lastLineOf(facts, firstLine)
  local last = #facts
  for _, sign in ipairs({ '{', '=' }) do
    if string.sub(facts[last] or '', 1, 1) == sign then
      last = last - 1
    end
  end
  local words = last + 1 - firstLine
  if words < 3 or words % 3 ~= 0 then
    return nil
  end
  return last - 2
end
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
if runId == '' or not outboxCountMax or random == '' or not keyHash or keyHash == '' then
  return redis.error_reply('SECKILL_RETAKE_ARGUMENTS malformed call')
end
local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local function count(text)
  return tonumber(string.match(text or '', '^%d+$'))
end
local function read(record)
  local facts = {}
  for fact in string.gmatch(record .. '\n', '([^\n]*)\n') do
    facts[#facts + 1] = fact
  end
  return facts, string.match(facts[4] or '', '^%d+([-tpcer])%d+$')
end
local gate, openedRunId, buyersStamp, keysStamp, holdsStamp =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'buyers_stamp', 'keys_stamp', 'holds_stamp'))
if gateOf(gate, openedRunId, runId) ~= 'open' then
  return { 'sale_unavailable' }
end
if isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey) then
  return broken('parts of different instants')
end
local live = redis.call('HGET', holdsKey, keyHash)
if live then
  local facts, sign = read(live)
  if not sign then
    return broken('record of a hold')
  end
  if facts[3] ~= random then
    return { 'not_expired' }
  end
  return { sign == 't' and 'repeated' or 'unsettled' }
end
local ended = redis.call('HGET', keysKey, keyHash)
if not ended then
  return { 'not_expired' }
end
local facts, sign = read(ended)
local lastLine = lastLineOf(facts, FIRST_LINE)
if not sign or not lastLine then
  return broken('record of a hold')
end
if facts[3] ~= random then
  return { 'not_expired' }
end
if sign ~= 'e' then
  return { sign == 'p' and 'paid' or 'not_expired' }
end
local userId, channelId = facts[1], facts[8]
local fields = { 'epoch', 'sequence', 'limit', channelId .. ':cap', channelId .. ':units', 'item_limits' }
local quantity, unitsOf, skus = 0, {}, {}
for index = FIRST_LINE, lastLine, 3 do
  local sku, units = facts[index], count(facts[index + 1])
  if not units then
    return broken('line of a hold')
  end
  if not unitsOf[sku] then
    skus[#skus + 1] = sku
    fields[#fields + 1] = sku .. ':available'
    fields[#fields + 1] = sku .. ':held'
  end
  unitsOf[sku] = (unitsOf[sku] or 0) + units
  quantity = quantity + units
end
local lane = redis.call('HMGET', stateKey, unpack(fields))
local epoch, sequence, limit = lane[1], count(lane[2]), lane[3]
local written, isShort = {}, false
for index, sku in ipairs(skus) do
  local place = STATE_FIELDS + 2 * index - 1
  local available, held, units = count(lane[place]), count(lane[place + 1]), unitsOf[sku]
  if not available or not held then
    return broken('counts of an item')
  end
  isShort = isShort or available < units
  local last = #written
  written[last + 1], written[last + 2] = fields[place], available - units
  written[last + 3], written[last + 4] = fields[place + 1], held + units
end
if isShort then
  return { 'sold_out' }
end
local buyer, limitUnits = parseBuyer(redis.call('HGET', buyersKey, userId)), count(limit)
if not buyer or not sequence or (not limitUnits and limit ~= '') then
  return broken('units or limit of a buyer')
end
if limitUnits and buyer.units + quantity > limitUnits then
  return { 'limit_reached' }
end
local itemLimits = parseItemLimits(lane[6])
if itemLimits then
  countItems(buyer, unitsOf, 1, 0, itemLimits)
  for sku, most in pairs(itemLimits) do
    if unitsOf[sku] and buyer.items[sku].units > most then
      return { 'limit_reached' }
    end
  end
end
if channelId ~= '' then
  local cap, units = count(lane[4]), count(lane[5])
  if not units or (not cap and lane[4] ~= '') then
    return broken('units or cap of a channel')
  end
  if cap and units + quantity > cap then
    return { 'channel_full' }
  end
  local last = #written
  written[last + 1], written[last + 2] = fields[5], units + quantity
end
if redis.call('XLEN', outboxKey) >= outboxCountMax then
  return { 'overloaded' }
end
sequence = sequence + 1
facts[4] = epoch .. 't' .. sequence
local record, at = table.concat(facts, '\n'), now()
local added = redis.pcall('XADD', outboxKey, epoch .. '-' .. sequence, 'record', record, 'at', at)
if type(added) == 'table' and added.err then
  return added
end
written[#written + 1] = 'sequence'
written[#written + 1] = sequence
if holdsStamp then
  local stamp = stampAfter(at, buyersStamp, keysStamp, holdsStamp)
  for name, key in pairs({ buyers_stamp = buyersKey, keys_stamp = keysKey, holds_stamp = holdsKey }) do
    written[#written + 1] = name
    written[#written + 1] = stamp
    redis.call('HSET', key, STAMP, stamp)
  end
end
redis.call('HSET', stateKey, unpack(written))
buyer.units = buyer.units + quantity
redis.call('HSET', buyersKey, userId, formatBuyer(buyer))
redis.call('HDEL', keysKey, keyHash)
redis.call('HSET', holdsKey, keyHash, record)
tellChange(stateKey, 'reserved', at)
return { 'retaken', record }