#!lua flags=allow-oom
local stateKey = KEYS[1]
local runId, isForced = ARGV[1], ARGV[2] == '1'
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
local gate, openedRunId, epoch, fence =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'fence'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  redis.call('HSET', stateKey, 'gate', 'rebuilding', 'epoch', '0', 'sequence', '0', 'fence', '1')
  return { before, 'rebuilding', 0, 1 }
end
if before == 'stale' or (before == 'open' and isForced) then
  redis.call('HSET', stateKey, 'gate', 'rebuilding')
  return { before, 'rebuilding', tonumber(epoch), redis.call('HINCRBY', stateKey, 'fence', 1) }
end
return { before, before, tonumber(epoch), tonumber(fence) }