#!lua flags=allow-oom
-- Opens a lane that was loaded completely. Stock calls this script after order has granted the opening: the
-- epoch is still the newest, and Postgres stores what the lane holds. A process that slept since it asked
-- opens nothing.
--
-- KEYS[1] state     KEYS[2] outbox
-- ARGV[1] runId     identity of the Redis behind the caller's connection; the lane is open only
--                   under this process
-- ARGV[2] epoch     the one order granted
-- ARGV[3] sequence  the one order compared
-- ARGV[4] fence     of the closing under which order was asked
--
-- Answers:
--   opened         now, or before under this run_id and epoch
--   missing        no such lane
--   not_loaded     a chunk is missing, or a release of another layout loaded it
--   other_epoch    the lane was loaded under another epoch
--   stale          open under another Redis process: close and check it first
--   changed        it was closed again since order was asked, or reservations were made: ask again

local stateKey, outboxKey = KEYS[1], KEYS[2]
local runId, epoch, sequence, fence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "tellChange"

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
-- A permission to open may be minutes old: the process that asked may have slept while others opened, sold
-- and closed.
if (laneFence or '0') ~= fence or laneSequence ~= sequence or redis.call('XLEN', outboxKey) > 0 then
  return { 'changed' }
end
redis.call('HSET', stateKey, 'gate', 'open', 'run_id', runId .. ':' .. LAYOUT, 'opened_sequence', laneSequence)
tellChange(stateKey, 'gate', now())
return { 'opened' }
