#!lua flags=no-writes
local stateKey, itemsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3]
local runId = ARGV[1]
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
local function readItems(itemsKey)
  local fields = redis.call('HGETALL', itemsKey)
  local items = {}
  for index = 1, #fields, 2 do
    local sku, name = string.match(fields[index], '^([^:]+):(%l+)$')
    items[sku] = items[sku] or {}
    items[sku][name] = tonumber(fields[index + 1])
  end
  return items
end
local gate, openedRunId, epoch, version, sequence, loaded, state, opensAt, closesAt, closing, openedSequence = unpack(redis.call(
  'HMGET', stateKey,
  'gate', 'run_id', 'epoch', 'version', 'sequence', 'loaded', 'state', 'opens_at', 'closes_at', 'closing',
  'opened_sequence'
))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { verdict, now() }
end
local answer = {
  verdict,
  now(),
  tonumber(epoch),
  tonumber(version or '0'),
  tonumber(sequence),
  loaded == '1' and 1 or 0,
  openedRunId and 1 or 0,
  state or '',
  tonumber(opensAt or '0'),
  tonumber(closesAt or '0'),
  redis.call('XLEN', outboxKey),
  tonumber(closing or '0'),
  tonumber(openedSequence or '0'),
}
for sku, item in pairs(readItems(itemsKey)) do
  for _, value in ipairs({ sku, item.total, item.available, item.held, item.paid }) do
    answer[#answer + 1] = value
  end
end
return answer