#!lua flags=allow-oom
local leaseKey = KEYS[1]
local token, leaseMs = ARGV[1], tonumber(ARGV[2])
local holder = redis.pcall('GET', leaseKey)
if type(holder) == 'table' or (holder and redis.call('PTTL', leaseKey) < 0) then
  redis.call('DEL', leaseKey)
  holder = false
end
if holder and holder ~= token then
  return 0
end
if leaseMs > 0 then
  redis.call('SET', leaseKey, token, 'PX', ARGV[2])
elseif holder then
  redis.call('DEL', leaseKey)
end
return 1