#!lua flags=allow-oom
local leaseKey, outboxKey = KEYS[1], KEYS[2]
local token, entryId = ARGV[1], ARGV[2]
local function whole(number)
  return string.format('%.0f', number)
end
if redis.call('GET', leaseKey) ~= token then
  return -1
end
local epoch, sequence = string.match(entryId, '^(%d+)%-(%d+)$')
if not epoch then
  return redis.error_reply('SECKILL_TRIM_ENTRY_ID not <epoch>-<sequence>')
end
return redis.call('XTRIM', outboxKey, 'MINID', epoch .. '-' .. whole(tonumber(sequence) + 1))