#!lua flags=allow-oom
local stateKey, buyersKey, keysKey, returnsKey = unpack(KEYS)
local random, keyHash, text = ARGV[1], ARGV[2], ARGV[3]
local FIRST_LINE = 10
local STATE_FIELDS = 6
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
local after = parseReturned(text)
if random == '' or not after or after.number == 0 then
  return redis.error_reply('SECKILL_RETURN_ARGUMENTS malformed call')
end
local function broken(what)
  if isOtherLayout(redis.call('HGET', stateKey, 'loaded')) then
    return closeForLoad(stateKey)
  end
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local function absent()
  if isTorn(redis.call('HGET', stateKey, 'keys_stamp'), keysKey) then
    return closeForLoad(stateKey)
  end
  return { 'absent' }
end
local record = redis.call('HGET', keysKey, keyHash)
if not record then
  return absent()
end
local facts = {}
for fact in string.gmatch(record .. '\n', '([^\n]*)\n') do
  facts[#facts + 1] = fact
end
if facts[3] ~= random or not string.match(facts[4] or '', '^%d+p%d+$') then
  return absent()
end
local before = parseReturned(redis.call('HGET', returnsKey, keyHash))
if not before then
  return broken('what was returned of an order')
end
if after.number <= before.number then
  return { 'current' }
end
local lastLine = lastLineOf(facts, FIRST_LINE)
if not lastLine then
  return broken('record of a paid order')
end
local bought = {}
for index = FIRST_LINE, lastLine, 3 do
  bought[facts[index]] = (bought[facts[index]] or 0) + (tonumber(facts[index + 1]) or 0)
end
local userId, channelId = facts[1], facts[8]
local fields = {
  channelId .. ':units', channelId .. ':units_paid', 'buyers_stamp', 'keys_stamp', 'returns_stamp', 'loaded',
}
for _, sku in ipairs(after.skus) do
  fields[#fields + 1] = sku .. ':available'
  fields[#fields + 1] = sku .. ':paid'
end
local lane = redis.call('HMGET', stateKey, unpack(fields))
if isOtherLayout(lane[STATE_FIELDS]) then
  return closeForLoad(stateKey)
end
local buyersStamp, keysStamp, returnsStamp = lane[3], lane[4], lane[5]
if isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(returnsStamp, returnsKey) then
  return closeForLoad(stateKey)
end
local written, restocked, unitsOf = {}, 0, {}
for index, sku in ipairs(after.skus) do
  local place = STATE_FIELDS + 2 * index - 1
  local available, paid = tonumber(lane[place]), tonumber(lane[place + 1])
  local last = before.of[sku] or { 0, 0 }
  local units, back = after.of[sku][1] - last[1], after.of[sku][2] - last[2]
  if units < 0 or back < 0 or after.of[sku][1] > (bought[sku] or 0) then
    return broken('units of a return')
  end
  if not available or not paid or paid < back then
    return broken('counts of an item')
  end
  local count = #written
  written[count + 1], written[count + 2] = fields[place], available + back
  written[count + 3], written[count + 4] = fields[place + 1], paid - back
  restocked, unitsOf[sku] = restocked + back, units
end
for _, sku in ipairs(before.skus) do
  if not after.of[sku] then
    return broken('units of a return')
  end
end
local quantity, buyer = after.units - before.units, parseBuyer(redis.call('HGET', buyersKey, userId))
if not buyer or buyer.units < quantity or buyer.paid < quantity then
  return broken('units of a buyer')
end
buyer.units, buyer.paid = buyer.units - quantity, buyer.paid - quantity
if buyer.items and not countItems(buyer, unitsOf, -1, -1) then
  return broken('units of a buyer')
end
if channelId ~= '' then
  local units, paid = tonumber(lane[1]), tonumber(lane[2])
  if not units or not paid or units < quantity or paid < quantity then
    return broken('units of a channel')
  end
  local count = #written
  written[count + 1], written[count + 2] = fields[1], units - quantity
  written[count + 3], written[count + 4] = fields[2], paid - quantity
end
local at = now()
if returnsStamp then
  local stamp, last = stampAfter(at, buyersStamp, returnsStamp), #written
  written[last + 1], written[last + 2], written[last + 3], written[last + 4] =
    'buyers_stamp', stamp, 'returns_stamp', stamp
  redis.call('HSET', buyersKey, STAMP, stamp)
  redis.call('HSET', returnsKey, STAMP, stamp)
end
redis.call('HSET', stateKey, unpack(written))
redis.call('HSET', buyersKey, userId, formatBuyer(buyer))
redis.call('HSET', returnsKey, keyHash, text)
tellChange(stateKey, 'settled', at)
return { 'returned', restocked }