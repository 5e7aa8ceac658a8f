#!lua flags=allow-oom
-- Closes the gate, so that the lane can be checked or loaded, and creates the lane when there is none. A lane
-- that is open under the caller's runId is left alone unless the call forces it. Each closing raises the
-- fence by one, so that a permission to open that was asked for before this closing opens nothing (D28). A
-- forced closing does so of a lane that is closed too: what it was forced for, such as a move of the lane's
-- keys, may have come after the permission was asked for. Called by stock before a check.
--
-- KEYS[1] state
-- ARGV[1] runId   identity of the Redis behind the caller's connection
-- ARGV[2] force   '1': close it although it is open, or closed before
--
-- Answers: gate before the call (missing, rebuilding, stale, open), gate after it (rebuilding, open), epoch,
-- fence

local stateKey = KEYS[1]
local runId, isForced = ARGV[1], ARGV[2] == '1'

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "tellChange"

local gate, openedRunId, epoch, fence, server =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'fence', 'server'))
local before = gateOf(gate, openedRunId, runId)
if before == 'missing' then
  redis.call('HSET', stateKey, 'gate', 'rebuilding', 'epoch', '0', 'sequence', '0', 'fence', '1')
  tellChange(stateKey, 'gate', now())
  return { before, 'rebuilding', 0, 1 }
end
if server and isForced then
  -- No node has this name: whatever the closing was forced for, the lane is loaded before it opens (D101).
  redis.call('HSET', stateKey, 'server', '-')
end
if before == 'stale' or (before == 'open' and isForced) then
  redis.call('HSET', stateKey, 'gate', 'rebuilding')
  tellChange(stateKey, 'gate', now())
  return { before, 'rebuilding', tonumber(epoch), redis.call('HINCRBY', stateKey, 'fence', 1) }
end
if before == 'rebuilding' and isForced then
  -- The gate stays as it was, so there is no change to tell. Whoever hears of one looks at the lane at once,
  -- and would close it again.
  return { before, before, tonumber(epoch), redis.call('HINCRBY', stateKey, 'fence', 1) }
end
return { before, before, tonumber(epoch), tonumber(fence) }
