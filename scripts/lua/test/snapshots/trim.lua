#!lua flags=allow-oom
local leaseKey, outboxKey = KEYS[1], KEYS[2]
local token, entryId = ARGV[1], ARGV[2]
if redis.pcall('GET', leaseKey) ~= token then
  return -1
end
if not string.match(entryId, '^%d+%-%d+$') then
  return redis.error_reply('SECKILL_TRIM_ENTRY_ID not <epoch>-<sequence>')
end
return redis.call('XTRIM', outboxKey, 'MINID', entryId) + redis.call('XDEL', outboxKey, entryId)