#!lua flags=allow-oom
-- Opens a lane that was loaded completely. Stock calls this script after order has granted the opening: the
-- epoch is still the newest, and Postgres stores what the lane holds. A process that slept since it asked
-- opens nothing. On a cluster the node says itself, in the same step, who it is and that the lane's slot is
-- not on its way, and the stamps say that no part of the lane is missing or old (D101).
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox    KEYS[6] returns
-- ARGV[1] runId     identity of the Redis behind the caller's connection; the lane is open only
--                   under this process
-- ARGV[2] epoch     the one order granted
-- ARGV[3] sequence  the one order compared
-- ARGV[4] fence     of the closing under which order was asked
-- then on a cluster:
-- ARGV[5] server    '<node>:<configuration epoch>' of the node that is meant
-- ARGV[6] slot      of the lane
--
-- Answers:
--   opened         now, or before under this run_id and epoch
--   missing        no such lane
--   not_loaded     a chunk is missing, or a release of another layout loaded it
--   other_epoch    the lane was loaded under another epoch
--   stale          open under another Redis process: close and check it first
--   changed        it was closed again since order was asked, or reservations were made: ask again
--   torn           a part of the lane is missing, or is not what was written last: load it
--   moved          this is another node, or was given up and promoted since; or another one opened the lane
--                  since its load, or it was closed by force; or its slot is on its way

local stateKey, buyersKey, keysKey, holdsKey, outboxKey, returnsKey = unpack(KEYS)
local runId, epoch, sequence, fence, server, slot = unpack(ARGV)

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "stamps"
--- @include "tellChange"

-- Whether the node that runs this is the one that is meant, and keeps the lane's slot. A line of CLUSTER
-- NODES reads `id address flags primary ping pong epoch link slots…`; a slot on its way is `[slot->-id]` or
-- `[slot-<-id]`.
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
-- A permission to open may be minutes old: the process that asked may have slept while others opened, sold
-- and closed.
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
