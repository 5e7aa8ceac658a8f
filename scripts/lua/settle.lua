#!lua flags=allow-oom
-- Ends a hold, once. The script goes by the reservation id alone. It looks at neither gate, epoch, run_id,
-- pause nor close, because what Postgres decided is final (docs/recovery.md, "Settlement"). It never fails
-- for lack of memory. The settler calls it. The record moves to `keys`: a repeat of its key gets the first
-- answer, a new key may reserve again (INV-4).
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds
-- ARGV[1] random    first part of the reservation id's end, 16 characters
-- ARGV[2] keyHash   the rest of it; field of `holds`
-- ARGV[3] verdict   paid: held → paid; cancelled, expired: held → available, buyer and channel lowered;
--                   refused: buyer and channel lowered, but nothing returns. Redis sold what does not exist:
--                   the units stay in held, where the difference to Postgres can be seen, until the lane is
--                   rebuilt. The gate closes here, unless the lane was loaded anew since the reservation
--
-- Answers:
--   settled, milliseconds since the hold's end by Redis' clock (negative: before it)
--   absent                  no such hold or lane: settled before, or lost; nothing was written (INV-5)
-- Errors (nothing written): SECKILL_SETTLE_ARGUMENTS; SECKILL_LANE_BROKEN the counts contradict the hold

local stateKey, buyersKey, keysKey, holdsKey = unpack(KEYS)
local random, keyHash, verdict = ARGV[1], ARGV[2], ARGV[3]
local FIRST_LINE = 10
local STATE_FIELDS = 4

--- @include "now"

local isReturned = verdict == 'cancelled' or verdict == 'expired'
if random == '' or not (isReturned or verdict == 'paid' or verdict == 'refused') then
  return redis.error_reply('SECKILL_SETTLE_ARGUMENTS malformed call')
end

local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end

-- INV-5: a settlement that comes again finds no hold.
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
-- This is another reservation under the same key. The one that is meant was lost with an earlier state of the
-- lane.
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

-- INV-3: what leaves held enters the other count. The plan is complete before the first write. Numbers go
-- into the plan as they are (see reserve.lua).
local lane = redis.call('HMGET', stateKey, unpack(fields))
local written = {}
for index, sku in ipairs(skus) do
  local place = STATE_FIELDS + 2 * index - 1
  local held, other, units = tonumber(lane[place]), tonumber(lane[place + 1]), unitsOf[sku]
  -- A count below zero would hide that units were given back twice. It is refused, never clamped.
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
-- INV-6: what was bought goes on counting against the limit and the cap.
local isBought = verdict == 'paid'
if not isBought and channelId ~= '' then
  written[#written + 1] = fields[STATE_FIELDS]
  written[#written + 1] = channelUnits - quantity
end
if verdict == 'refused' and gate == 'open' and epoch == reservedEpoch then
  local last = #written
  written[last + 1], written[last + 2] = 'gate', 'rebuilding'
  -- A lane that an older build loaded has no fence.
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
