#!lua flags=allow-oom
local stateKey, buyersKey, keysKey, holdsKey = unpack(KEYS)
local random, keyHash, verdict = ARGV[1], ARGV[2], ARGV[3]
local FIRST_LINE = 10
local STATE_FIELDS = 4
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local isReturned = verdict == 'cancelled' or verdict == 'expired'
if random == '' or not (isReturned or verdict == 'paid' or verdict == 'refused') then
  return redis.error_reply('SECKILL_SETTLE_ARGUMENTS malformed call')
end
local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local record = redis.call('HGET', holdsKey, keyHash)
if not record then
  return { 'absent' }
end
local facts = {}
for fact in string.gmatch(record .. '\n', '([^\n]*)\n') do
  facts[#facts + 1] = fact
end
local userId, reservedAt, holdMs, channelId = facts[1], tonumber(facts[5] or ''), tonumber(facts[6] or ''), facts[8]
if not reservedAt or not holdMs or #facts < FIRST_LINE + 2 or (#facts + 1 - FIRST_LINE) % 3 ~= 0 then
  return broken('record of a hold')
end
if facts[3] ~= random then
  return { 'absent' }
end
local reservedEpoch = string.match(facts[4], '^(%d+)%-')
local target = isReturned and ':available' or ':paid'
local quantity, unitsOf, skus = 0, {}, {}
local fields = { 'gate', 'epoch', 'fence', channelId .. ':units' }
for index = FIRST_LINE, #facts, 3 do
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
local buyerUnits = tonumber(redis.call('HGET', buyersKey, userId) or '')
if not buyerUnits or buyerUnits < quantity then
  return broken('units of a buyer')
end
local gate, epoch, fence, channelUnits = lane[1], lane[2], lane[3], tonumber(lane[4])
if channelId ~= '' and (not channelUnits or channelUnits < quantity) then
  return broken('units of a channel')
end
local isBought = verdict == 'paid'
if not isBought and channelId ~= '' then
  written[#written + 1] = fields[STATE_FIELDS]
  written[#written + 1] = channelUnits - quantity
end
if verdict == 'refused' and gate == 'open' and epoch == reservedEpoch then
  local last = #written
  written[last + 1], written[last + 2] = 'gate', 'rebuilding'
  written[last + 3], written[last + 4] = 'fence', (tonumber(fence) or 0) + 1
end
redis.call('HDEL', holdsKey, keyHash)
redis.call('HSET', keysKey, keyHash, record)
if #written > 0 then
  redis.call('HSET', stateKey, unpack(written))
end
if not isBought and buyerUnits == quantity then
  redis.call('HDEL', buyersKey, userId)
elseif not isBought then
  redis.call('HSET', buyersKey, userId, buyerUnits - quantity)
end
return { 'settled', now() - reservedAt - holdMs }