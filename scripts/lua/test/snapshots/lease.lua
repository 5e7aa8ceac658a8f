#!lua flags=allow-oom
local leaseKey = KEYS[1]
local token, leaseMs = ARGV[1], tonumber(ARGV[2])
local holder = redis.call('GET', leaseKey)
if holder and holder ~= token then
  return 0
end
if leaseMs > 0 then
  redis.call('SET', leaseKey, token, 'PX', ARGV[2])
elseif holder then
  redis.call('DEL', leaseKey)
end
return 1