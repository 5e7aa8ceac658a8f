#!lua flags=allow-oom
local stateKey, holdsKey, outboxKey = KEYS[1], KEYS[4], KEYS[5]
local REST_MS = 24 * 60 * 60 * 1000
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local gate, closesAt, holdMs, holdsStamp =
  unpack(redis.call('HMGET', stateKey, 'gate', 'closes_at', 'hold_ms', 'holds_stamp'))
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
redis.call('UNLINK', unpack(KEYS))
tellChange(stateKey, 'gate', now())
return { 'retired' }