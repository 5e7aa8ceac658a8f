#!lua flags=allow-oom
local stateKey = KEYS[1]
local runId, epoch = ARGV[1], ARGV[2]
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
local gate, openedRunId, laneEpoch, loaded =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'loaded'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  return { 'missing' }
end
if laneEpoch ~= epoch then
  return { 'other_epoch' }
end
if loaded ~= '1' then
  return { 'not_loaded' }
end
if before == 'stale' then
  return { 'stale' }
end
redis.call('HSET', stateKey, 'gate', 'open', 'run_id', runId)
return { 'opened' }