#!lua flags=allow-oom
-- Removes a lane whose sale is long over: at the earliest a day after its last hold can have ended, and only
-- when nothing of the lane is on its way any more. A settlement that comes later finds no hold. The member of
-- `seckill:lanes` is on another node and is removed afterwards. The script never fails for lack of memory,
-- because it frees memory. The relay calls it, under the lane's lease.
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox    KEYS[6] returns
-- ARGV              none
--
-- Answers:
--   missing    no such lane, and nothing left of one
--   not_due    before closes_at + hold_ms + 24 h by Redis' clock, or no snapshot told these yet
--   busy       holds or outbox entries are left, also of a lane that lost its state; or the holds are missing
--              or old
--   retired    it is gone

local stateKey, holdsKey, outboxKey = KEYS[1], KEYS[4], KEYS[5]
local REST_MS = 24 * 60 * 60 * 1000

--- @include "now"
--- @include "stamps"
--- @include "tellChange"

local gate, closesAt, holdMs, holdsStamp =
  unpack(redis.call('HMGET', stateKey, 'gate', 'closes_at', 'hold_ms', 'holds_stamp'))
-- INV-2: what is left of a lane may be the last copy of an order.
local holdCount = redis.call('HLEN', holdsKey) - redis.call('HEXISTS', holdsKey, STAMP)
local isBusy = holdCount > 0 or redis.call('XLEN', outboxKey) > 0 or isTorn(holdsStamp, holdsKey)
if not gate then
  return { isBusy and 'busy' or 'missing' }
end
if not closesAt or not holdMs or now() < tonumber(closesAt) + tonumber(holdMs) + REST_MS then
  return { 'not_due' }
end
if isBusy then
  return { 'busy' }
end
-- UNLINK is used because a sale's keys may be 100 MB. Redis then frees them beside its work.
redis.call('UNLINK', unpack(KEYS))
tellChange(stateKey, 'gate', now())
return { 'retired' }
