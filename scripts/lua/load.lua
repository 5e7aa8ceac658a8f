#!lua
-- Installs one chunk of a snapshot: the only way Redis state comes into being (D5). The first chunk (0) wipes
-- the lane and installs the control state; the others follow in order; a repeated chunk changes nothing.
-- Chunks bound the time one call keeps Redis busy. Called by stock, between close.lua and open.lua.
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox
-- ARGV[1] epoch     the snapshot's; higher than the lane's for chunk 0, the one being loaded for the others
-- ARGV[2] chunk     its number, from 0
-- ARGV[3] isLast    '1': the lane is loaded completely after this chunk
-- ARGV[4] control   JSON of the ControlState; read in chunk 0 only
-- ARGV[5] orders    JSON array of { userId, keyHash, channelId, status, record, lines: [{ sku, quantity }] };
--                   pending: held + hold, paid: paid + key, both + buyer + channel;
--                   cancelled, expired: key alone
--
-- Answers:
--   loaded, chunk       this chunk is in, now or before
--   open                the gate is not `rebuilding`: close it first
--   missing             no such lane: close.lua creates it
--   outbox_not_empty    its entries would be lost; let the relay publish them first
--   epoch_not_higher    a later rebuilder was here
--   chunk_not_next      a chunk is missing in between
-- Errors (the snapshot contradicts itself, nothing written): SECKILL_LOAD_SKU, _CHANNEL, _STATUS, _KEY_TWICE,
-- _OVERSOLD

local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, chunk, isLast = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local orders = cjson.decode(ARGV[5])

--- @include "whole"
--- @include "readItems"
--- @include "writeItems"
--- @include "applyTotals"
--- @include "writeControl"

local gate, laneEpoch, laneChunk, fence, skus =
  unpack(redis.call('HMGET', stateKey, 'gate', 'epoch', 'chunk', 'fence', 'skus'))
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

local control, items, channels = nil, nil, {}
if chunk == 0 then
  control, items = cjson.decode(ARGV[4]), {}
  applyTotals(items, control.items)
  for _, channel in ipairs(control.channels) do
    channels[channel.id] = true
  end
else
  items = readItems(stateKey, skus)
end

-- Units that each buyer and channel gains by this chunk; the plan is complete before the first write.
local buyerUnits, channelUnits, keyHashes = {}, {}, {}
local function isLoaded(keyHash)
  return redis.call('HEXISTS', holdsKey, keyHash) == 1 or redis.call('HEXISTS', keysKey, keyHash) == 1
end
for _, order in ipairs(orders) do
  if keyHashes[order.keyHash] or (chunk > 0 and isLoaded(order.keyHash)) then
    return redis.error_reply('SECKILL_LOAD_KEY_TWICE two orders of the snapshot have one idempotency key')
  end
  keyHashes[order.keyHash] = true
  if order.status == 'pending' or order.status == 'paid' then
    local name, quantity = order.status == 'pending' and 'held' or 'paid', 0
    for _, line in ipairs(order.lines) do
      local item = items[line.sku]
      if not item then
        return redis.error_reply('SECKILL_LOAD_SKU an order has a line of no item')
      end
      item[name] = item[name] + line.quantity
      item.available = item.available - line.quantity
      quantity = quantity + line.quantity
    end
    buyerUnits[order.userId] = (buyerUnits[order.userId] or 0) + quantity
    if order.channelId ~= '' then
      if not channels[order.channelId] and (chunk == 0 or redis.call('HEXISTS', stateKey, order.channelId .. ':cap') == 0) then
        return redis.error_reply('SECKILL_LOAD_CHANNEL an order has a channel the sale has not')
      end
      channelUnits[order.channelId] = (channelUnits[order.channelId] or 0) + quantity
    end
  elseif order.status ~= 'cancelled' and order.status ~= 'expired' then
    return redis.error_reply('SECKILL_LOAD_STATUS an order has an unknown status')
  end
end
for _, item in pairs(items) do
  -- INV-1: the ledger never lets this happen, so a snapshot that says so is not installed.
  if item.available < 0 then
    return redis.error_reply('SECKILL_LOAD_OVERSOLD the orders exceed the total')
  end
end

if chunk == 0 then
  -- The stream itself stays, emptied: its last id guards against a rewound epoch.
  redis.call('UNLINK', stateKey, buyersKey, keysKey, holdsKey)
  redis.call(
    'HSET', stateKey,
    'gate', 'rebuilding', 'epoch', whole(epoch), 'sequence', '0', 'fence', fence or '0'
  )
  writeControl(stateKey, control)
end
writeItems(stateKey, items)
for userId, units in pairs(buyerUnits) do
  redis.call('HINCRBY', buyersKey, userId, whole(units))
end
for channelId, units in pairs(channelUnits) do
  redis.call('HINCRBY', stateKey, channelId .. ':units', whole(units))
end
for _, order in ipairs(orders) do
  -- INV-4: the key outlives its hold. Otherwise the key of a cancelled order would take a second unit.
  redis.call('HSET', order.status == 'pending' and holdsKey or keysKey, order.keyHash, order.record)
end
redis.call('HSET', stateKey, 'chunk', whole(chunk), 'loaded', isLast and '1' or '0')
return { 'loaded', chunk }
