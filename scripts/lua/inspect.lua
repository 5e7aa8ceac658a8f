#!lua flags=no-writes
-- Reads the state of one lane at one instant: gate, control state, counts, outbox. Called by stock for the
-- state route, for announcements, before and while a lane is opened, and by the audit.
--
-- KEYS[1] state     KEYS[2] outbox    KEYS[3] holds     KEYS[4] buyers    KEYS[5] keys      KEYS[6] returns
-- ARGV[1] runId     identity of the Redis behind the caller's connection
--
-- Answers:
--   gate, now, entries in the outbox, holds                 when the gate is `missing`: what is left of a
--                                                           lane that lost its state
--   gate, now, epoch, version, sequence, loaded (1 or 0), state, opensAt, closesAt, entries in the
--   outbox, fence, sequence when it was opened last, limit per buyer, lowest cap of a channel ('': none),
--   SKUs of paused items, rules of quantities, limits of items, kits, server ('': none), 1 if a part
--   of the lane is missing or old, else 0, then of each item: sku, total, available, held, paid
-- `state` is '' while the lane is not loaded; now, opensAt and closesAt are milliseconds since 1970.

local stateKey, outboxKey, holdsKey, buyersKey, keysKey, returnsKey = unpack(KEYS)
local runId = ARGV[1]

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "stamps"
--- @include "readItems"

local gate, openedRunId, epoch, version, sequence, loaded, state, opensAt, closesAt, fence, openedSequence, limit,
  capMin, pausedSkus, quantityRules, itemLimits, kits, server, buyersStamp, keysStamp, holdsStamp, returnsStamp, skus =
  unpack(redis.call(
    'HMGET', stateKey,
    'gate', 'run_id', 'epoch', 'version', 'sequence', 'loaded', 'state', 'opens_at', 'closes_at', 'fence',
    'opened_sequence', 'limit', 'cap_min', 'paused_skus', 'quantity_rules', 'item_limits',
    'kits', 'server', 'buyers_stamp', 'keys_stamp', 'holds_stamp', 'returns_stamp', 'skus'
  ))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  -- What another type of key holds is nothing of ours, and goes when the lane is loaded.
  local function number(...)
    local answer = redis.pcall(...)
    return type(answer) == 'number' and answer or 0
  end
  local holdCount = number('HLEN', holdsKey) - number('HEXISTS', holdsKey, STAMP)
  return { verdict, now(), number('XLEN', outboxKey), holdCount }
end
local isAnyTorn = isTorn(buyersStamp, buyersKey) or isTorn(keysStamp, keysKey) or isTorn(holdsStamp, holdsKey)
  or isTorn(returnsStamp, returnsKey)
local answer = {
  verdict,
  now(),
  tonumber(epoch),
  tonumber(version or '0'),
  tonumber(sequence),
  isLoaded(loaded) and 1 or 0,
  state or '',
  tonumber(opensAt or '0'),
  tonumber(closesAt or '0'),
  redis.call('XLEN', outboxKey),
  tonumber(fence or '0'),
  tonumber(openedSequence or '0'),
  limit or '',
  capMin or '',
  pausedSkus or '',
  quantityRules or '',
  itemLimits or '',
  kits or '',
  server or '',
  isAnyTorn and 1 or 0,
}
for sku, item in pairs(readItems(stateKey, skus)) do
  for _, value in ipairs({ sku, item.total, item.available, item.held, item.paid }) do
    answer[#answer + 1] = value
  end
end
return answer
