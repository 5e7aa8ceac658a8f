#!lua
-- Takes the units of a hold that expired once more, for the same order, because its money came late (D58).
-- Whoever calls this may repeat it: the hold stands there after the first call. Only what a payment needs is
-- asked for, units, limit and cap. Neither pause, window, cool-down nor number of holds matter, because the
-- buyer reserved in time and pays. The hold gets a sequence of its own, which names this retake: a settlement
-- of an earlier hold of the order does not end it (settle.lua). The outbox entry of the retake travels as a
-- reservation does, and PostgreSQL decides whether the order is paid. Stock calls it for order.
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox
-- ARGV[1] runId          identity of the Redis behind the caller's connection
-- ARGV[2] outboxCountMax entries the outbox may hold before we shed load
-- ARGV[3] random         first part of the reservation id's end, 16 characters
-- ARGV[4] keyHash        the rest of it; field of `holds` and `keys`
--
-- Answers; the first that applies:
--   sale_unavailable       the gate is not open, or there is no lane: repeat
--   repeated               the units were taken before, and that is not settled yet
--   unsettled              the first hold still lives; the settlement that ends it is on its way: repeat
--   paid                   the hold ended paid: what PostgreSQL stores decides
--   not_expired            no such hold, or it ended otherwise
--   sold_out               fewer units than a line asks for
--   limit_reached          the buyer would exceed the limit of the sale, or of an item
--   channel_full           the channel would exceed its cap
--   overloaded             the outbox is full: repeat
--   retaken, record
-- Errors (nothing written): SECKILL_RETAKE_ARGUMENTS; SECKILL_LANE_BROKEN; what XADD says to a rewound id

local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2] or '', '^%d+$'))
local random, keyHash = ARGV[3], ARGV[4]
local FIRST_LINE = 10
local STATE_FIELDS = 6

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "buyer"
--- @include "itemRules"
--- @include "lastLineOf"
--- @include "stamps"
--- @include "tellChange"

if runId == '' or not outboxCountMax or random == '' or not keyHash or keyHash == '' then
  return redis.error_reply('SECKILL_RETAKE_ARGUMENTS malformed call')
end

local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end

-- Reads a count as it was written, or gives nil, as reserve.lua does.
local function count(text)
  return tonumber(string.match(text or '', '^%d+$'))
end

-- What a record says: its facts, and the sign that tells how the hold ended.
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
  -- INV-1
  isShort = isShort or available < units
  -- INV-3: what leaves available enters held.
  local last = #written
  written[last + 1], written[last + 2] = fields[place], available - units
  written[last + 3], written[last + 4] = fields[place + 1], held + units
end
if isShort then
  return { 'sold_out' }
end
-- INV-6: a retake counts against the limit and the cap like a hold.
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
-- This is the first write, because only this one can be refused (a rewound id).
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
-- The hold is none that the buyer took anew: it counted when it was reserved.
buyer.units = buyer.units + quantity
redis.call('HSET', buyersKey, userId, formatBuyer(buyer))
redis.call('HDEL', keysKey, keyHash)
redis.call('HSET', holdsKey, keyHash, record)
tellChange(stateKey, 'reserved', at)
return { 'retaken', record }
