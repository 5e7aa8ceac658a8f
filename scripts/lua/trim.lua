#!lua flags=allow-oom
-- Removes from the outbox what Kafka confirmed, up to and including one entry. Only the relay that holds the
-- lease may trim: a relay that slept through its lease could trim what it never published. The script never
-- fails for lack of memory, because it frees memory.
--
-- KEYS[1] lease     KEYS[2] outbox
-- ARGV[1] token     of the relay
-- ARGV[2] entryId   <epoch>-<sequence> of the last entry Kafka confirmed
--
-- Answers: entries removed, or -1 when the lease is not ours
-- Errors: SECKILL_TRIM_ENTRY_ID

local leaseKey, outboxKey = KEYS[1], KEYS[2]
local token, entryId = ARGV[1], ARGV[2]

if redis.pcall('GET', leaseKey) ~= token then
  return -1
end
if not string.match(entryId, '^%d+%-%d+$') then
  return redis.error_reply('SECKILL_TRIM_ENTRY_ID not <epoch>-<sequence>')
end
-- INV-2: MINID names the first entry to keep, whatever was added meanwhile; MAXLEN would drop unsent ones.
-- An id that nobody of ours wrote may have no next one, so the entry itself goes by its own name.
return redis.call('XTRIM', outboxKey, 'MINID', entryId) + redis.call('XDEL', outboxKey, entryId)
