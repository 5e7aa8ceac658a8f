-- What shows that the parts of a lane are of one instant. A slot that moves takes its keys one by one: one
-- may be left away, or an older copy of one may come back. Every script that changes `buyers`, `keys`,
-- `holds` or `returns` writes a new number into that key (this field) and into `state` (`buyers_stamp` and
-- so on). A script that finds them different changes nothing, and open.lua does not open, so a part that
-- was away or is old is met before anything is built on it (D101). Only lanes that were loaded on a cluster
-- have stamps. No user and no hash has a space in it.
local STAMP = 'last write'

-- Whether the key lacks the last write of the lane, or has another one.
---@param stamp string|false what `state` says of the key; false: the lane has no stamps
---@param key string
---@return boolean
local function isTorn(stamp, key)
  -- A key of another type is none of ours either.
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end

-- A number that no part of the lane had before, and none of a copy on another node, whose writes had another
-- instant.
---@param at number Redis' clock, milliseconds; may have been set back
---@param one string? stamps of before
---@return string stamp as text, which redis.call need not make of a number
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
