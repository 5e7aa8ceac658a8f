#!lua flags=allow-oom
-- Takes, renews or gives back a lease of a lane. The lease of the outbox keeps two relays from doing the same
-- work. The lease of the recovery keeps two lane openers from loading against each other. Safety depends on
-- neither. The relay and the lane opener call this script.
--
-- KEYS[1] lease
-- ARGV[1] token     of the caller
-- ARGV[2] leaseMs   milliseconds; 0 gives the lease back
--
-- Answers: 1 when the lease is ours (or was, and is given back), 0 when another has it

local leaseKey = KEYS[1]
local token, leaseMs = ARGV[1], tonumber(ARGV[2])

local holder = redis.pcall('GET', leaseKey)
-- A lease of ours is a text that ends by itself. What was put there otherwise is nobody's, and would keep the
-- outbox for ever.
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
