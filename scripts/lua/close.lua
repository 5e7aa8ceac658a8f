#!lua flags=allow-oom
-- Closes the gate, so that the lane can be loaded or checked; creates the lane when there is none.
-- Called by stock before a check. A lane open under the caller's run_id is left alone unless forced. Each closing has a
-- number, so that a permission to open which was asked for before another closing opens nothing.
--
-- KEYS[1] state
-- ARGV[1] runId   run_id of the Redis behind the caller's connection
-- ARGV[2] force   '1': close it although it is open
--
-- Answers: gate before the call (missing, rebuilding, stale, open), gate after it (rebuilding, open), epoch, closing

local stateKey = KEYS[1]
local runId, isForced = ARGV[1], ARGV[2] == '1'

--- @include "gateOf"

local gate, openedRunId, epoch, closing =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'closing'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  redis.call('HSET', stateKey, 'gate', 'rebuilding', 'epoch', '0', 'sequence', '0', 'closing', '1')
  return { before, 'rebuilding', 0, 1 }
end
if before == 'stale' or (before == 'open' and isForced) then
  redis.call('HSET', stateKey, 'gate', 'rebuilding')
  return { before, 'rebuilding', tonumber(epoch), redis.call('HINCRBY', stateKey, 'closing', 1) }
end
return { before, before, tonumber(epoch), tonumber(closing) }
