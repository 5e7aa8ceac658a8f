#!lua flags=allow-oom
local stateKey, buyersKey, keysKey, holdsKey, outboxKey, returnsKey = unpack(KEYS)
local runId, epoch, sequence, fence, server, slot = unpack(ARGV)
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
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local function isServer()
  for line in string.gmatch(redis.call('CLUSTER', 'NODES'), '[^\n]+') do
    local id, flags, configEpoch = string.match(line, '^(%S+) %S+ (%S+) %S+ %S+ %S+ (%S+)')
    if string.find(flags, 'myself', 1, true) then
      return string.find(flags, 'master', 1, true) and id .. ':' .. configEpoch == server
        and not string.find(line, '[' .. slot .. '-', 1, true)
    end
  end
  return false
end
local gate, openedRunId, laneEpoch, loaded, laneSequence, laneFence, laneServer, buyersStamp, keysStamp, holdsStamp,
  returnsStamp = unpack(redis.call(
    'HMGET', stateKey,
    'gate', 'run_id', 'epoch', 'loaded', 'sequence', 'fence', 'server', 'buyers_stamp', 'keys_stamp', 'holds_stamp',
    'returns_stamp'
  ))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  return { 'missing' }
end
if laneEpoch ~= epoch then
  return { 'other_epoch' }
end
if not isLoaded(loaded) then
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
if
  (server and not holdsStamp) or isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey)
  or isTorn(returnsStamp, returnsKey)
then
  return { 'torn' }
end
if server then
  if (laneServer and laneServer ~= server) or not isServer() then
    return { 'moved' }
  end
  redis.call('HSET', stateKey, 'server', server)
end
redis.call('HSET', stateKey, 'gate', 'open', 'run_id', runId .. ':' .. loaded, 'opened_sequence', laneSequence)
tellChange(stateKey, 'gate', now())
return { 'opened' }