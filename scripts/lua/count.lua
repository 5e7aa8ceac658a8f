#!lua flags=no-writes
-- Reads one lane at one instant: gate, control state, counts, outbox. Called by stock for the state route, before a
-- check and by the audit.
--
-- KEYS[1] state     KEYS[2] outbox
-- ARGV[1] runId     run_id of the Redis behind the caller's connection
--
-- Answers:
--   gate, now                                               when the gate is `missing`
--   gate, now, epoch, version, sequence, loaded (1 or 0), was opened (1 or 0), state, opensAt, closesAt,
--   entries in the outbox, closing, sequence when it was opened last, then per item: sku, total, available, held, paid
-- Texts are '' while a lane is not loaded; now, opensAt, closesAt in milliseconds.

local stateKey, outboxKey = KEYS[1], KEYS[2]
local runId = ARGV[1]

--- @include "now"
--- @include "gateOf"
--- @include "readItems"

local gate, openedRunId, epoch, version, sequence, loaded, state, opensAt, closesAt, closing, openedSequence, skus = unpack(redis.call(
  'HMGET', stateKey,
  'gate', 'run_id', 'epoch', 'version', 'sequence', 'loaded', 'state', 'opens_at', 'closes_at', 'closing',
  'opened_sequence', 'skus'
))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { verdict, now() }
end
local answer = {
  verdict,
  now(),
  tonumber(epoch),
  tonumber(version or '0'),
  tonumber(sequence),
  loaded == '1' and 1 or 0,
  openedRunId and 1 or 0,
  state or '',
  tonumber(opensAt or '0'),
  tonumber(closesAt or '0'),
  redis.call('XLEN', outboxKey),
  tonumber(closing or '0'),
  tonumber(openedSequence or '0'),
}
for sku, item in pairs(readItems(stateKey, skus)) do
  for _, value in ipairs({ sku, item.total, item.available, item.held, item.paid }) do
    answer[#answer + 1] = value
  end
end
return answer
