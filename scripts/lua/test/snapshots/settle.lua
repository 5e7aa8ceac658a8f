#!lua flags=allow-oom
local stateKey, buyersKey, keysKey, holdsKey = unpack(KEYS)
local random, keyHash, verdict, retake = ARGV[1], ARGV[2], ARGV[3], ARGV[4] or ''
local FIRST_LINE = 10
local STATE_FIELDS = 9
local SIGNS = { paid = 'p', cancelled = 'c', expired = 'e', refused = 'r' }
local LAYOUT = '2'
local STAMPED_LAYOUT = '3'
local PARTLY = ' partly'
local function isLoaded(loaded)
  return loaded == LAYOUT or loaded == STAMPED_LAYOUT
end
local function isOtherLayout(loaded)
  return loaded and not isLoaded(loaded) and loaded ~= LAYOUT .. PARTLY and loaded ~= STAMPED_LAYOUT .. PARTLY
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local function closeForLoad(stateKey)
  local gate, server = unpack(redis.call('HMGET', stateKey, 'gate', 'server'))
  redis.call('HINCRBY', stateKey, 'fence', 1)
  if server then
    redis.call('HSET', stateKey, 'server', '-')
  end
  if gate == 'open' then
    redis.call('HSET', stateKey, 'gate', 'rebuilding')
    tellChange(stateKey, 'gate', now())
  end
  return { 'absent' }
end
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local isReturned = verdict == 'cancelled' or verdict == 'expired'
if random == '' or not SIGNS[verdict] then
  return redis.error_reply('SECKILL_SETTLE_ARGUMENTS malformed call')
end
local function broken(what)
  if isOtherLayout(redis.call('HGET', stateKey, 'loaded')) then
    return closeForLoad(stateKey)
  end
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local function absent()
  local buyersStamp, keysStamp, holdsStamp =
    unpack(redis.call('HMGET', stateKey, 'buyers_stamp', 'keys_stamp', 'holds_stamp'))
  if isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey) then
    return closeForLoad(stateKey)
  end
  return { 'absent' }
end
local record = redis.call('HGET', holdsKey, keyHash)
if not record then
  return absent()
end
local facts = {}
for fact in string.gmatch(record .. '\n', '([^\n]*)\n') do
  facts[#facts + 1] = fact
end
local userId, reservedAt, holdMs, channelId = facts[1], tonumber(facts[5] or ''), tonumber(facts[6] or ''), facts[8]
local lastLine = lastLineOf(facts, FIRST_LINE)
if not reservedAt or not holdMs or not lastLine then
  return broken('record of a hold')
end
if facts[3] ~= random then
  return absent()
end
local reservedEpoch, sign, reservedSequence = string.match(facts[4], '^(%d+)([-t])(%d+)$')
if not reservedEpoch then
  return broken('record of a hold')
end
if retake ~= (sign == 't' and reservedEpoch .. '-' .. reservedSequence or '') then
  return absent()
end
local target = isReturned and ':available' or ':paid'
local quantity, unitsOf, skus = 0, {}, {}
local fields = {
  'gate', 'epoch', 'fence', channelId .. ':units', channelId .. ':units_paid', 'buyers_stamp', 'keys_stamp',
  'holds_stamp', 'loaded',
}
for index = FIRST_LINE, lastLine, 3 do
  local sku, units = facts[index], tonumber(facts[index + 1])
  if not units then
    return broken('line of a hold')
  end
  if not unitsOf[sku] then
    skus[#skus + 1] = sku
    fields[#fields + 1] = sku .. ':held'
    fields[#fields + 1] = sku .. target
  end
  unitsOf[sku] = (unitsOf[sku] or 0) + units
  quantity = quantity + units
end
local lane = redis.call('HMGET', stateKey, unpack(fields))
if isOtherLayout(lane[STATE_FIELDS]) then
  return closeForLoad(stateKey)
end
local buyersStamp, keysStamp, holdsStamp = lane[6], lane[7], lane[8]
if isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey) then
  return closeForLoad(stateKey)
end
local written = {}
for index, sku in ipairs(skus) do
  local place = STATE_FIELDS + 2 * index - 1
  local held, other, units = tonumber(lane[place]), tonumber(lane[place + 1]), unitsOf[sku]
  if not held or not other or held < units then
    return broken('counts of an item')
  end
  if verdict ~= 'refused' then
    local last = #written
    written[last + 1], written[last + 2] = fields[place], held - units
    written[last + 3], written[last + 4] = fields[place + 1], other + units
  end
end
local buyer = parseBuyer(redis.call('HGET', buyersKey, userId))
if not buyer or buyer.units < buyer.paid + quantity or buyer.holds < 1 then
  return broken('units of a buyer')
end
local gate, epoch, fence, channelUnits, channelPaid = lane[1], lane[2], lane[3], tonumber(lane[4]), tonumber(lane[5])
if channelId ~= '' and (not channelUnits or not channelPaid or channelUnits < channelPaid + quantity) then
  return broken('units of a channel')
end
if verdict == 'paid' then
  buyer.paid = buyer.paid + quantity
else
  buyer.units = buyer.units - quantity
end
local isPaid = verdict == 'paid'
if buyer.items and not countItems(buyer, unitsOf, isPaid and 0 or -1, isPaid and 1 or 0) then
  return broken('units of a buyer')
end
if channelId ~= '' then
  local last = #written
  if verdict == 'paid' then
    written[last + 1], written[last + 2] = fields[5], channelPaid + quantity
  else
    written[last + 1], written[last + 2] = fields[4], channelUnits - quantity
  end
end
local endedAt = now()
if isReturned then
  buyer.endedAt = math.max(buyer.endedAt, verdict == 'expired' and reservedAt + holdMs or endedAt)
elseif verdict == 'refused' and sign == '-' then
  buyer.holds = buyer.holds - 1
end
local isClosed = verdict == 'refused' and gate == 'open' and epoch == reservedEpoch
if isClosed then
  local last = #written
  written[last + 1], written[last + 2] = 'gate', 'rebuilding'
  written[last + 3], written[last + 4] = 'fence', (tonumber(fence) or 0) + 1
end
if holdsStamp then
  local stamp, last = stampAfter(endedAt, buyersStamp, keysStamp, holdsStamp), #written
  for place, key in ipairs({ buyersKey, keysKey, holdsKey }) do
    written[last + 2 * place - 1], written[last + 2 * place] = fields[5 + place], stamp
    redis.call('HSET', key, STAMP, stamp)
  end
end
redis.call('HDEL', holdsKey, keyHash)
facts[4] = reservedEpoch .. SIGNS[verdict] .. reservedSequence
redis.call('HSET', keysKey, keyHash, table.concat(facts, '\n'))
if #written > 0 then
  redis.call('HSET', stateKey, unpack(written))
end
if buyer.holds == 0 then
  redis.call('HDEL', buyersKey, userId)
else
  redis.call('HSET', buyersKey, userId, formatBuyer(buyer))
end
tellChange(stateKey, isClosed and 'gate' or 'settled', endedAt)
return { 'settled', endedAt - reservedAt - holdMs }