#!lua flags=allow-oom
-- Opens a lane that was loaded completely. Called by stock after order confirmed that the epoch is still the newest;
-- a rebuilder that slept would open a stale state otherwise.
--
-- KEYS[1] state
-- ARGV[1] runId   run_id of the Redis behind the caller's connection; the lane is open only under this process
-- ARGV[2] epoch   the one order granted
--
-- Answers:
--   opened         now, or before under this run_id and epoch
--   missing        no such lane
--   not_loaded     a chunk is missing
--   other_epoch    the lane was loaded under another epoch
--   stale          open under another Redis process: close and check it first

local stateKey = KEYS[1]
local runId, epoch = ARGV[1], ARGV[2]

--- @include "gateOf"

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
