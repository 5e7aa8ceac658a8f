#!lua flags=allow-oom
local stateKey = KEYS[1]
local runId, isForced = ARGV[1], ARGV[2] == '1'
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
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local gate, openedRunId, epoch, fence, server =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'fence', 'server'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  redis.call('HSET', stateKey, 'gate', 'rebuilding', 'epoch', '0', 'sequence', '0', 'fence', '1')
  tellChange(stateKey, 'gate', now())
  return { before, 'rebuilding', 0, 1 }
end
if server and isForced then
  redis.call('HSET', stateKey, 'server', '-')
end
if before == 'stale' or (before == 'open' and isForced) then
  redis.call('HSET', stateKey, 'gate', 'rebuilding')
  tellChange(stateKey, 'gate', now())
  return { before, 'rebuilding', tonumber(epoch), redis.call('HINCRBY', stateKey, 'fence', 1) }
end
if before == 'rebuilding' and isForced then
  return { before, before, tonumber(epoch), redis.call('HINCRBY', stateKey, 'fence', 1) }
end
return { before, before, tonumber(epoch), tonumber(fence) }