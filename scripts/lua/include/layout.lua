-- How everything under the lane's keys is laid out. Whoever changes that in a way that the scripts of the
-- release before cannot read, or read otherwise, raises the number. A lane of another layout, older or newer,
-- counts as one that was never loaded: nothing is sold or settled there until it is loaded anew (D99).
local LAYOUT = '2'
-- The same with stamps (stamps.lua), which a script that knows none would leave behind.
local STAMPED_LAYOUT = '3'
-- Field `loaded` ends so while chunks are missing. A release that knows no layouts takes only `1` for loaded.
local PARTLY = ' partly'

-- Whether all chunks of a snapshot are in.
---@param loaded string|false field `loaded`
---@return boolean
local function isLoaded(loaded)
  return loaded == LAYOUT or loaded == STAMPED_LAYOUT
end

-- Whether another release loaded the lane, completely or in part.
---@param loaded string|false field `loaded`; false: no chunk is in, or the lane lost its state
---@return boolean
local function isOtherLayout(loaded)
  return loaded and not isLoaded(loaded) and loaded ~= LAYOUT .. PARTLY and loaded ~= STAMPED_LAYOUT .. PARTLY
end
