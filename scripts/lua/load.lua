#!lua
-- Installs one chunk of a snapshot: the only way Redis state comes into being (D5). The first chunk (0) wipes
-- the lane and installs the control state; the others follow in order; a repeated chunk changes nothing.
-- Chunks bound the time one call keeps Redis busy. Called by stock, between close.lua and open.lua.
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox    KEYS[6] returns
-- ARGV[1] epoch     the snapshot's; higher than the lane's for chunk 0, the one being loaded for the others
-- ARGV[2] chunk     its number, from 0
-- ARGV[3] isLast    '1': the lane is loaded completely after this chunk
-- ARGV[4] control   JSON of the ControlState; read in chunk 0 only
-- then of each order, 500 at most:
--   status        pending: held + hold, paid: paid + key, both + buyer + channel; cancelled, expired:
--                 key, and the buyer's cool-down from endedAt; each: a hold that the buyer has taken
--   userId
--   keyHash       field of `holds` and `keys`
--   channelId     '' = none
--   record        what is kept under keyHash
--   endedAt       milliseconds since the epoch, 0: it did not end unpaid
--   returned      what came back of a paid order, as return.lua takes it; '' = nothing
--   lineCount, then sku, quantity of each line
--
-- Answers:
--   loaded, chunk       this chunk is in, now or before
--   open                the gate is not `rebuilding`: close it first
--   missing             no such lane: close.lua creates it
--   outbox_not_empty    its entries would be lost; let the relay publish them first
--   epoch_not_higher    a later rebuilder was here
--   chunk_not_next      a chunk is missing in between
--   torn                a part of the lane is not what the chunk before left there: begin anew
-- Errors (the snapshot contradicts itself, nothing written): SECKILL_LOAD_SKU, _CHANNEL, _STATUS, _KEY_TWICE,
-- _OVERSOLD, _RETURNED; SECKILL_LOAD_ARGUMENTS, our own bug

local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local returnsKey = KEYS[6]
local epoch, chunk, isLast = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local FIRST_ORDER = 5
-- The bound limits how long Redis is busy, and how much `unpack` must hold, 8,000 fields.
local ORDERS_MAX = 500

--- @include "now"
--- @include "layout"
--- @include "stamps"
--- @include "whole"
--- @include "readItems"
--- @include "writeItems"
--- @include "applyTotals"
--- @include "itemRules"
--- @include "writeControl"
--- @include "buyer"
--- @include "parseReturned"

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
-- Only the keys of a cluster's lane can come apart.
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

-- What each buyer and channel gains by this chunk; the plan is complete before the first write. The
-- cost of a call lies in its redis.calls, so buyers and keys are read and written together: 6.7 µs of Redis'
-- CPU an order, 3.4 ms a call, where calls for each took 13.4.
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
-- The first chunk finds an empty lane, whatever is there now.
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
  -- INV-1: the ledger never lets this happen, so a snapshot that says so is not installed.
  if item.available < 0 then
    return redis.error_reply('SECKILL_LOAD_OVERSOLD the orders exceed the total')
  end
end

if chunk == 0 then
  -- The stream itself stays, emptied: its last id guards against a rewound epoch. The epoch was chosen above
  -- the last id, if that may be one of ours. If it is not, it would refuse all that is reserved from now on.
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
-- INV-4: the key outlives its hold. Otherwise the key of a cancelled order would take a second unit.
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
