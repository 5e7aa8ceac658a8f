#!lua flags=no-writes
local stateKey, outboxKey, holdsKey, buyersKey, keysKey, returnsKey = unpack(KEYS)
local runId = ARGV[1]
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local LAYOUT = '2'
local STAMPED_LAYOUT = '3'
local PARTLY = ' partly'
local function isLoaded(loaded)
  return loaded == LAYOUT or loaded == STAMPED_LAYOUT
end
local function isOtherLayout(loaded)
  return loaded and not isLoaded(loaded) and loaded ~= LAYOUT .. PARTLY and loaded ~= STAMPED_LAYOUT .. PARTLY
end
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId .. ':' .. LAYOUT and openedRunId ~= runId .. ':' .. STAMPED_LAYOUT then
    return 'stale'
  end
  return 'open'
end
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local function readItems(stateKey, skus)
  local items, owners, names, fields = {}, {}, {}, {}
  for sku in string.gmatch(skus or '', '%S+') do
    items[sku] = {}
    for _, name in ipairs({ 'total', 'available', 'held', 'paid', 'price' }) do
      local place = #fields + 1
      owners[place], names[place], fields[place] = items[sku], name, sku .. ':' .. name
    end
  end
  if #fields > 0 then
    for place, value in ipairs(redis.call('HMGET', stateKey, unpack(fields))) do
      owners[place][names[place]] = tonumber(value)
    end
  end
  return items
end
local gate, openedRunId, epoch, version, sequence, loaded, state, opensAt, closesAt, fence, openedSequence, limit,
  capMin, pausedSkus, quantityRules, itemLimits, kits, server, buyersStamp, keysStamp, holdsStamp, returnsStamp, skus =
  unpack(redis.call(
    'HMGET', stateKey,
    'gate', 'run_id', 'epoch', 'version', 'sequence', 'loaded', 'state', 'opens_at', 'closes_at', 'fence',
    'opened_sequence', 'limit', 'cap_min', 'paused_skus', 'quantity_rules', 'item_limits',
    'kits', 'server', 'buyers_stamp', 'keys_stamp', 'holds_stamp', 'returns_stamp', 'skus'
  ))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  local function number(...)
    local answer = redis.pcall(...)
    return type(answer) == 'number' and answer or 0
  end
  local holdCount = number('HLEN', holdsKey) - number('HEXISTS', holdsKey, STAMP)
  return { verdict, now(), number('XLEN', outboxKey), holdCount }
end
local isAnyTorn = isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey)
  or isTorn(returnsStamp, returnsKey)
local answer = {
  verdict,
  now(),
  tonumber(epoch),
  tonumber(version or '0'),
  tonumber(sequence),
  isLoaded(loaded) and 1 or 0,
  state or '',
  tonumber(opensAt or '0'),
  tonumber(closesAt or '0'),
  redis.call('XLEN', outboxKey),
  tonumber(fence or '0'),
  tonumber(openedSequence or '0'),
  limit or '',
  capMin or '',
  pausedSkus or '',
  quantityRules or '',
  itemLimits or '',
  kits or '',
  server or '',
  isAnyTorn and 1 or 0,
}
for sku, item in pairs(readItems(stateKey, skus)) do
  for _, value in ipairs({ sku, item.total, item.available, item.held, item.paid }) do
    answer[#answer + 1] = value
  end
end
return answer