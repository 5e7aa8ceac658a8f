#!lua
local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2], '^%d+$'))
local userId, idempotencyKey, keyHash, random = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local channelId, ref, traceparent = ARGV[7], ARGV[8], ARGV[9]
local FIRST_LINE = 10
local STATE_FIELDS = 12
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId then
    return 'stale'
  end
  return 'open'
end
local function malformed()
  return redis.error_reply('SECKILL_RESERVE_ARGUMENTS malformed call')
end
if not outboxCountMax or runId == '' or userId == '' or idempotencyKey == '' or #keyHash ~= 22 or #random ~= 16 then
  return malformed()
end
local fields = {
  'gate', 'run_id', 'epoch', 'sequence', 'state', 'opens_at', 'closes_at', 'hold_ms', 'limit', 'currency',
  channelId .. ':cap', channelId .. ':units',
}
local seen = {}
for index = FIRST_LINE, #ARGV, 2 do
  local sku, quantity = ARGV[index], ARGV[index + 1]
  if sku == '' or seen[sku] or not quantity or not string.match(quantity, '^[1-9]%d*$') then
    return malformed()
  end
  seen[sku] = true
  local last = #fields
  fields[last + 1], fields[last + 2], fields[last + 3] = sku .. ':available', sku .. ':held', sku .. ':price'
end
if #fields == STATE_FIELDS then
  return malformed()
end
if redis.call('XLEN', outboxKey) >= outboxCountMax then
  return { 'overloaded' }
end
local lane = redis.call('HMGET', stateKey, unpack(fields))
local gate, openedRunId, epoch, sequence, state, opensAt, closesAt, holdMs, limit, currency, cap, channelUnits =
  unpack(lane, 1, STATE_FIELDS)
local verdict = gateOf(gate, openedRunId, runId)
if verdict ~= 'open' then
  return { 'sale_unavailable', verdict == 'missing' and 1 or 0 }
end
local known = redis.call('HGET', holdsKey, keyHash) or redis.call('HGET', keysKey, keyHash)
if known then
  return { 'known', known }
end
local at = now()
if state == 'closed' or at >= tonumber(closesAt) then
  return { 'sale_closed' }
end
if state == 'paused' then
  return { 'sale_paused' }
end
if at < tonumber(opensAt) then
  return { 'sale_not_open', opensAt, tonumber(opensAt) - at }
end
local nextSequence = sequence + 1
local entryId = epoch .. '-' .. nextSequence
local facts = { userId, idempotencyKey, random, entryId, at, holdMs, currency, channelId, ref }
local written = { 'sequence', nextSequence }
local quantity, soldOut = 0, nil
local place = STATE_FIELDS
for index = FIRST_LINE, #ARGV, 2 do
  local sku, units = ARGV[index], tonumber(ARGV[index + 1])
  if not lane[place + 1] then
    return { 'sku_not_found', sku }
  end
  local available, held, price = tonumber(lane[place + 1]), tonumber(lane[place + 2]), lane[place + 3]
  if not available or not held or not tonumber(price) or available < 0 then
    return redis.error_reply('SECKILL_LANE_BROKEN counts of an item')
  end
  if available < units and not soldOut then
    soldOut = { 'sold_out', sku, available, available + held == 0 and 1 or 0 }
  end
  quantity = quantity + units
  local last = #facts
  facts[last + 1], facts[last + 2], facts[last + 3] = sku, ARGV[index + 1], price
  last = #written
  written[last + 1], written[last + 2] = fields[place + 1], available - units
  written[last + 3], written[last + 4] = fields[place + 2], held + units
  place = place + 3
end
if channelId ~= '' and not cap then
  return { 'channel_not_found' }
end
if soldOut then
  return soldOut
end
local buyerUnits = tonumber(redis.call('HGET', buyersKey, userId) or 0)
if limit ~= '' and buyerUnits + quantity > tonumber(limit) then
  return { 'limit_reached', tonumber(limit), buyerUnits }
end
if channelId ~= '' then
  if cap ~= '' and channelUnits + quantity > tonumber(cap) then
    return { 'channel_full', tonumber(cap) }
  end
  written[#written + 1] = channelId .. ':units'
  written[#written + 1] = channelUnits + quantity
end
local record = table.concat(facts, '\n')
if traceparent == '' then
  redis.call('XADD', outboxKey, entryId, 'record', record)
else
  redis.call('XADD', outboxKey, entryId, 'record', record, 'traceparent', traceparent)
end
redis.call('HSET', stateKey, unpack(written))
redis.call('HSET', buyersKey, userId, buyerUnits + quantity)
redis.call('HSET', holdsKey, keyHash, record)
return { 'reserved', record }