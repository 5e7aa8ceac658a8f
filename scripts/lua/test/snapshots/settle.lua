#!lua flags=allow-oom
local stateKey, itemsKey, buyersKey, channelsKey, keysKey, holdsKey = unpack(KEYS)
local random, verdict = ARGV[1], ARGV[2]
local FIRST_LINE = 9
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number)
  return string.format('%.0f', number)
end
local isReturned = verdict == 'cancelled' or verdict == 'expired'
if random == '' or not (isReturned or verdict == 'paid' or verdict == 'refused') then
  return redis.error_reply('SECKILL_SETTLE_ARGUMENTS malformed call')
end
local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local keyField = redis.call('HGET', holdsKey, random)
if not keyField then
  return { 'absent' }
end
local facts = {}
for fact in string.gmatch((redis.call('HGET', keysKey, keyField) or '') .. '\n', '([^\n]*)\n') do
  facts[#facts + 1] = fact
end
local colon = string.find(keyField, ':', 1, true)
local userLength = colon and tonumber(string.sub(keyField, 1, colon - 1))
local expiresAt, channelId = tonumber(facts[5]), facts[7]
if facts[1] ~= random or not userLength or not expiresAt or #facts < FIRST_LINE + 2 then
  return broken('record of a hold')
end
local userId = string.sub(keyField, colon + 1, colon + userLength)
local reservedEpoch = string.match(facts[3], '^(%d+)%-')
local quantity, unitsOf = 0, {}
for index = FIRST_LINE, #facts, 3 do
  local units = tonumber(facts[index + 1])
  if not units then
    return broken('line of a hold')
  end
  unitsOf[facts[index]] = (unitsOf[facts[index]] or 0) + units
  quantity = quantity + units
end
local target = isReturned and 'available' or 'paid'
local itemFields = {}
for sku, units in pairs(unitsOf) do
  local held, other = unpack(redis.call('HMGET', itemsKey, sku .. ':held', sku .. ':' .. target))
  held, other = tonumber(held or ''), tonumber(other or '')
  if not held or not other or held < units then
    return broken('counts of an item')
  end
  if verdict ~= 'refused' then
    for _, value in ipairs({ sku .. ':held', whole(held - units), sku .. ':' .. target, whole(other + units) }) do
      itemFields[#itemFields + 1] = value
    end
  end
end
local isBought = verdict == 'paid'
local buyerUnits = tonumber(redis.call('HGET', buyersKey, userId) or '')
local channelUnits = channelId ~= '' and tonumber(redis.call('HGET', channelsKey, channelId .. ':units') or '')
if not buyerUnits or buyerUnits < quantity then
  return broken('units of a buyer')
end
if channelId ~= '' and (not channelUnits or channelUnits < quantity) then
  return broken('units of a channel')
end
redis.call('HDEL', holdsKey, random)
if #itemFields > 0 then
  redis.call('HSET', itemsKey, unpack(itemFields))
end
if not isBought and buyerUnits == quantity then
  redis.call('HDEL', buyersKey, userId)
elseif not isBought then
  redis.call('HSET', buyersKey, userId, whole(buyerUnits - quantity))
end
if not isBought and channelId ~= '' then
  redis.call('HSET', channelsKey, channelId .. ':units', whole(channelUnits - quantity))
end
if verdict == 'refused' then
  local gate, epoch = unpack(redis.call('HMGET', stateKey, 'gate', 'epoch'))
  if gate == 'open' and epoch == reservedEpoch then
    redis.call('HSET', stateKey, 'gate', 'rebuilding')
    redis.call('HINCRBY', stateKey, 'closing', 1)
  end
end
return { 'settled', now() - expiresAt }