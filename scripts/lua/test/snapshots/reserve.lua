#!lua
local stateKey, itemsKey, buyersKey, channelsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local keysKey, holdsKey, outboxKey = KEYS[5], KEYS[6], KEYS[7]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2], '^%d+$'))
local userId, idempotencyKey, fingerprint, random = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local channelId, ref, traceparent = ARGV[7], ARGV[8], ARGV[9]
local FIRST_LINE = 10
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number)
  return string.format('%.0f', number)
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
local function readLines()
  local lines, seen = {}, {}
  for index = FIRST_LINE, #ARGV, 2 do
    local sku, quantity = ARGV[index], ARGV[index + 1]
    if sku == '' or seen[sku] or not quantity or not string.match(quantity, '^[1-9]%d*$') then
      return nil
    end
    seen[sku] = true
    lines[#lines + 1] = { sku = sku, quantity = tonumber(quantity) }
  end
  return #lines > 0 and lines or nil
end
local lines = readLines()
if not lines or not outboxCountMax or runId == '' or userId == '' or idempotencyKey == '' or random == '' then
  return redis.error_reply('SECKILL_RESERVE_ARGUMENTS malformed call')
end
if redis.call('XLEN', outboxKey) >= outboxCountMax then
  return { 'overloaded' }
end
local gate, openedRunId, epoch, sequence, state, opensAt, closesAt, holdMs, limit, currency = unpack(redis.call(
  'HMGET', stateKey,
  'gate', 'run_id', 'epoch', 'sequence', 'state', 'opens_at', 'closes_at', 'hold_ms', 'limit', 'currency'
))
local verdict = gateOf(gate, openedRunId, runId)
if verdict ~= 'open' then
  return { 'sale_unavailable', verdict == 'missing' and 1 or 0 }
end
local keyField = #userId .. ':' .. userId .. idempotencyKey
local known = redis.call('HGET', keysKey, keyField)
if known then
  if string.match(known, '^[^\n]*\n([^\n]*)\n') == fingerprint then
    return { 'replayed', known }
  end
  return { 'key_reused' }
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
local quantity = 0
for _, line in ipairs(lines) do
  local available, held, price = unpack(
    redis.call('HMGET', itemsKey, line.sku .. ':available', line.sku .. ':held', line.sku .. ':price')
  )
  if not available then
    return { 'sku_not_found', line.sku }
  end
  line.available, line.held, line.price = tonumber(available), tonumber(held), tonumber(price)
  if not line.available or not line.held or not line.price or line.available < 0 then
    return redis.error_reply('SECKILL_LANE_BROKEN counts of an item')
  end
  quantity = quantity + line.quantity
end
local cap, channelUnits
if channelId ~= '' then
  cap, channelUnits = unpack(redis.call('HMGET', channelsKey, channelId .. ':cap', channelId .. ':units'))
  if not cap then
    return { 'channel_not_found' }
  end
  channelUnits = tonumber(channelUnits)
end
for _, line in ipairs(lines) do
  if line.available < line.quantity then
    return { 'sold_out', line.sku, line.available, line.available + line.held == 0 and 1 or 0 }
  end
end
local buyerUnits = tonumber(redis.call('HGET', buyersKey, userId) or '0')
if limit ~= '' and buyerUnits + quantity > tonumber(limit) then
  return { 'limit_reached', tonumber(limit), buyerUnits }
end
if channelId ~= '' and cap ~= '' and channelUnits + quantity > tonumber(cap) then
  return { 'channel_full', tonumber(cap) }
end
if redis.call('HEXISTS', holdsKey, random) == 1 then
  return redis.error_reply('SECKILL_RESERVE_RANDOM_USED the reservation id is taken')
end
local nextSequence = whole(tonumber(sequence) + 1)
local entryId = epoch .. '-' .. nextSequence
local facts = { random, fingerprint, entryId, whole(at), whole(at + tonumber(holdMs)), currency, channelId, ref }
for _, line in ipairs(lines) do
  facts[#facts + 1] = line.sku
  facts[#facts + 1] = whole(line.quantity)
  facts[#facts + 1] = whole(line.price)
end
local record = table.concat(facts, '\n')
if traceparent == '' then
  redis.call('XADD', outboxKey, entryId, 'user', userId, 'key', idempotencyKey, 'record', record)
else
  redis.call(
    'XADD', outboxKey, entryId,
    'user', userId, 'key', idempotencyKey, 'record', record, 'traceparent', traceparent
  )
end
redis.call('HSET', stateKey, 'sequence', nextSequence)
for _, line in ipairs(lines) do
  redis.call(
    'HSET', itemsKey,
    line.sku .. ':available', whole(line.available - line.quantity),
    line.sku .. ':held', whole(line.held + line.quantity)
  )
end
redis.call('HSET', buyersKey, userId, whole(buyerUnits + quantity))
if channelId ~= '' then
  redis.call('HSET', channelsKey, channelId .. ':units', whole(channelUnits + quantity))
end
redis.call('HSET', keysKey, keyField, record)
redis.call('HSET', holdsKey, random, keyField)
return { 'reserved', record }