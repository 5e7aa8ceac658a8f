-- How everything under the lane's keys is laid out. Whoever changes that in a way that the scripts of the
-- release before cannot read, or read otherwise, raises the number. A lane of another layout, older or newer,
-- counts as one that was never loaded: nothing is sold or settled there until it is loaded anew (D99).
local LAYOUT = '2'
-- Field `loaded` while chunks are missing. A release that knows no layouts takes only `1` for loaded.
local PARTLY = LAYOUT .. ' partly'

-- Whether another release loaded the lane, completely or in part.
---@param loaded string|false field `loaded`; false: no chunk is in, or the lane lost its state
---@return boolean
local function isOtherLayout(loaded)
  return loaded and loaded ~= LAYOUT and loaded ~= PARTLY
end
