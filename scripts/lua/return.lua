#!lua flags=allow-oom
-- Takes units of a paid order back: they are for sale again, or written off, and stop counting against the
-- limit and the cap. As settle.lua it goes by the reservation id alone, whatever the lane's state, because
-- what Postgres decided is final, and it never fails for lack of memory. The call says all that ever came
-- back of the order, under the number of the last return: a repeat, or an earlier one that comes late,
-- changes nothing, and one that got lost is made good by the next (D67). The settler calls it, and the lane
-- opener.
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] returns
-- ARGV[1] random    first part of the reservation id's end, 16 characters
-- ARGV[2] keyHash   the rest of it; field of `keys` and `returns`
-- ARGV[3] returned  '<number> <sku> <units returned> <units of them for sale again>…' (parseReturned)
--
-- Answers:
--   returned, units for sale again since the last return
--   current                 this return or a later one was applied before; nothing was written
--   absent                  no such order, or it is not paid here; nothing was written. A lane of another
--                           layout, or of which a part is missing or old, is closed for its load, which
--                           has what was returned from Postgres
-- Errors (nothing written): SECKILL_RETURN_ARGUMENTS; SECKILL_LANE_BROKEN the counts contradict the return

local stateKey, buyersKey, keysKey, returnsKey = unpack(KEYS)
local random, keyHash, text = ARGV[1], ARGV[2], ARGV[3]
local FIRST_LINE = 10
local STATE_FIELDS = 6

--- @include "layout"
--- @include "now"
--- @include "buyer"
--- @include "lastLineOf"
--- @include "parseReturned"
--- @include "tellChange"
--- @include "closeForLoad"
--- @include "stamps"

local after = parseReturned(text)
if random == '' or not after or after.number == 0 then
  return redis.error_reply('SECKILL_RETURN_ARGUMENTS malformed call')
end

local function broken(what)
  -- What another release wrote may well be unreadable here, and is no contradiction.
  if isOtherLayout(redis.call('HGET', stateKey, 'loaded')) then
    return closeForLoad(stateKey)
  end
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end

-- A lane without its keys, or with old ones, does not know what is absent.
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
-- Another reservation has the key since Redis lost the one that is meant, or it did not end paid here.
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

-- INV-3: what leaves paid enters available. Units that were written off stay in paid: they are gone for good,
-- as those that were bought. The plan is complete before the first write.
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
  -- A count below zero would hide that units were given back twice. Such a count is refused, never clamped.
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

-- INV-6: what came back does not count any more.
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
