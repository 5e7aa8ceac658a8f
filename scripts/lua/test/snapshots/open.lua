#!lua flags=allow-oom
local stateKey, outboxKey = KEYS[1], KEYS[2]
local runId, epoch, sequence, fence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local LAYOUT = '2'
local PARTLY = LAYOUT .. ' partly'
local function isOtherLayout(loaded)
  return loaded and loaded ~= LAYOUT and loaded ~= PARTLY
end
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId .. ':' .. LAYOUT then
    return 'stale'
  end
  return 'open'
end
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local gate, openedRunId, laneEpoch, loaded, laneSequence, laneFence = unpack(
  redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'loaded', 'sequence', 'fence')
)
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  return { 'missing' }
end
if laneEpoch ~= epoch then
  return { 'other_epoch' }
end
if loaded ~= LAYOUT then
  return { 'not_loaded' }
end
if before == 'stale' then
  return { 'stale' }
end
if before == 'open' then
  return { 'opened' }
end
if (laneFence or '0') ~= fence or laneSequence ~= sequence or redis.call('XLEN', outboxKey) > 0 then
  return { 'changed' }
end
redis.call('HSET', stateKey, 'gate', 'open', 'run_id', runId .. ':' .. LAYOUT, 'opened_sequence', laneSequence)
tellChange(stateKey, 'gate', now())
return { 'opened' }