-- Redis' clock in milliseconds: the only clock of windows and deadlines; a pod's own may be minutes off.
---@return number
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
