#!lua flags=allow-oom
-- Closes the gate, so that the lane can be loaded or checked; creates the lane when there is none.
-- Called by stock before a load. A lane open under the caller's run_id is left alone unless forced.
--
-- KEYS[1] state
-- ARGV[1] runId   run_id of the Redis behind the caller's connection
-- ARGV[2] force   '1': close it although it is open
--
-- Answers: gate before the call (missing, rebuilding, stale, open), gate after it (rebuilding, open), epoch

local stateKey = KEYS[1]
local runId, isForced = ARGV[1], ARGV[2] == '1'

--- @include "gateOf"

local gate, openedRunId, epoch = unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  redis.call('HSET', stateKey, 'gate', 'rebuilding', 'epoch', '0', 'sequence', '0')
  return { before, 'rebuilding', 0 }
end
if before == 'stale' or (before == 'open' and isForced) then
  redis.call('HSET', stateKey, 'gate', 'rebuilding')
  return { before, 'rebuilding', tonumber(epoch) }
end
return { before, before, tonumber(epoch) }
