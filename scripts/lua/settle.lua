#!lua flags=allow-oom
-- Ends a hold, once. The script goes by the reservation id alone. Neither gate, epoch, run_id, pause nor
-- close is looked at, because what Postgres decided is final (docs/recovery.md, "Settlement"); only a lane of
-- another layout is left to its load. The script never fails for lack of memory. The settler calls it. The
-- record moves to `keys` and tells there how the hold ended: a repeat of its key gets the first answer, a new
-- key may reserve again (INV-4).
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds
-- ARGV[1] random    first part of the reservation id's end, 16 characters
-- ARGV[2] keyHash   the rest of it; field of `holds`
-- ARGV[3] verdict   paid: held → paid; cancelled, expired: held → available, buyer and channel lowered, and
--                   the buyer's cool-down begins, at the end of a hold that expired, now for one that was
--                   cancelled; refused: buyer and channel lowered, as if the hold had never been, but nothing
--                   returns. Redis sold what does not exist: the units stay in held, where the difference
--                   to Postgres can be seen, until the lane is rebuilt. The gate closes here, unless the lane
--                   was loaded anew since the reservation
-- ARGV[4] retake    '<epoch>-<sequence>' of the hold that was taken again for late money (retake.lua);
--                   '' = the first hold of the order. A settlement of one never ends the other, however
--                   late it comes
--
-- Answers:
--   settled, milliseconds since the hold's end by Redis' clock (negative: before it)
--   absent                  no such hold or lane: settled before, lost, or taken again since; nothing was
--                           written (INV-5). Nor is there one in a lane of another layout, or of which a
--                           part is missing or old. Such a lane is closed for its load: Postgres knows how
--                           the hold ended
-- Errors (nothing written): SECKILL_SETTLE_ARGUMENTS; SECKILL_LANE_BROKEN the counts contradict the hold

local stateKey, buyersKey, keysKey, holdsKey = unpack(KEYS)
local random, keyHash, verdict, retake = ARGV[1], ARGV[2], ARGV[3], ARGV[4] or ''
local FIRST_LINE = 10
local STATE_FIELDS = 9
-- What stands between epoch and sequence in the record of a hold that has ended, where a live one has `-`, or
-- `t` if it was taken again. A byte more would make many records 32 bytes longer
-- (services/stock/src/redis/hold-record.ts).
local SIGNS = { paid = 'p', cancelled = 'c', expired = 'e', refused = 'r' }

--- @include "layout"
--- @include "now"
--- @include "buyer"
--- @include "lastLineOf"
--- @include "tellChange"
--- @include "closeForLoad"
--- @include "stamps"

local isReturned = verdict == 'cancelled' or verdict == 'expired'
if random == '' or not SIGNS[verdict] then
  return redis.error_reply('SECKILL_SETTLE_ARGUMENTS malformed call')
end

local function broken(what)
  -- What another release wrote may well be unreadable here, and is no contradiction.
  if isOtherLayout(redis.call('HGET', stateKey, 'loaded')) then
    return closeForLoad(stateKey)
  end
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end

-- A lane without its holds, or with old ones, does not know what is absent.
local function absent()
  local buyersStamp, keysStamp, holdsStamp =
    unpack(redis.call('HMGET', stateKey, 'buyers_stamp', 'keys_stamp', 'holds_stamp'))
  if isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey) then
    return closeForLoad(stateKey)
  end
  return { 'absent' }
end

-- INV-5: a settlement that comes again finds no hold.
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
-- This is another reservation under the same key. The one that is meant was lost with an earlier state of the
-- lane.
if facts[3] ~= random then
  return absent()
end
local reservedEpoch, sign, reservedSequence = string.match(facts[4], '^(%d+)([-t])(%d+)$')
if not reservedEpoch then
  return broken('record of a hold')
end
-- INV-5: the settlement that ended the first hold may come again after the units were taken again.
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

-- INV-3: what leaves held enters the other count. The plan is complete before the first write. Numbers go
-- into the plan as they are (see reserve.lua).
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
  -- A count below zero would hide that units were given back twice. Such a count is refused, never clamped.
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
-- INV-6: what was bought goes on counting against the limit and the cap.
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
  -- PostgreSQL knows the same instant of a hold that expired, and that of the cancel itself, which is a
  -- little earlier. A rebuild makes no cool-down longer, but for the skew of the clocks.
  buyer.endedAt = math.max(buyer.endedAt, verdict == 'expired' and reservedAt + holdMs or endedAt)
elseif verdict == 'refused' and sign == '-' then
  -- The first hold of an order that was taken again did live: it goes on counting.
  buyer.holds = buyer.holds - 1
end
local isClosed = verdict == 'refused' and gate == 'open' and epoch == reservedEpoch
if isClosed then
  local last = #written
  written[last + 1], written[last + 2] = 'gate', 'rebuilding'
  -- A lane that an older build loaded has no fence.
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
