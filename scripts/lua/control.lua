#!lua flags=allow-oom
-- Applies a whole control state when its version is higher than the lane's, so repeats and reordering are
-- harmless. The script works under any gate once the lane is loaded. The script also works when memory is
-- full, because a sale must always be stoppable. Stock calls it for `PUT /internal/sales/:saleId`.
--
-- KEYS[1] state
-- ARGV[1] runId     identity of the Redis behind the caller's connection
-- ARGV[2] control   JSON of the ControlState; totals are absolute, channels are added or get a new cap. The
--                   adjustment of an item takes as many units out of its total as are available, up to its
--                   quantity, once for each id. Until it is gone from the control states, their totals are
--                   those without it
--
-- Answers:
--   applied | current, gate, epoch, version    `current`: the lane stood at this version or a higher one
--                                              then id and units of each adjustment that the lane has taken
--   missing                                    no such lane
--   not_loaded                                 its snapshot brings its own control state
--   total_too_low, sku, held + paid            nothing was applied (INV-1)
--   item_missing, sku                          nothing was applied: a whole state names every item

local stateKey = KEYS[1]
local runId, control = ARGV[1], cjson.decode(ARGV[2])

--- @include "now"
--- @include "whole"
--- @include "layout"
--- @include "gateOf"
--- @include "readItems"
--- @include "writeItems"
--- @include "applyTotals"
--- @include "itemRules"
--- @include "writeControl"
--- @include "tellChange"

local gate, openedRunId, epoch, version, loaded, skus =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'version', 'loaded', 'skus'))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { 'missing' }
end
if not isLoaded(loaded) then
  return { 'not_loaded' }
end
-- INV-1: a repeat takes nothing twice, and no later state gives back what was taken out.
local adjustments = {}
for _, wanted in ipairs(control.items) do
  local adjustment = wanted.adjustment
  if adjustment then
    local field = wanted.sku .. ':adjusted'
    local id, taken = string.match(redis.call('HGET', stateKey, field) or '', '^(%S+) (%d+)$')
    adjustment.sku, adjustment.field = wanted.sku, field
    adjustment.taken = id == adjustment.id and tonumber(taken) or nil
    wanted.total = wanted.total - (adjustment.taken or 0)
    adjustments[#adjustments + 1] = adjustment
  end
end

local function told(outcome, atVersion)
  local answer = { outcome, verdict, tonumber(epoch), atVersion }
  for _, adjustment in ipairs(adjustments) do
    if adjustment.taken then
      answer[#answer + 1], answer[#answer + 2] = adjustment.id, adjustment.taken
    end
  end
  return answer
end

if control.version <= tonumber(version) then
  return told('current', tonumber(version))
end

local items, named = readItems(stateKey, skus), {}
for _, item in ipairs(control.items) do
  named[item.sku] = true
end
for sku in pairs(items) do
  if not named[sku] then
    return { 'item_missing', sku }
  end
end
local tooLow, taken = applyTotals(items, control.items)
if tooLow then
  return { 'total_too_low', tooLow, taken }
end

for _, adjustment in ipairs(adjustments) do
  if not adjustment.taken then
    local item = items[adjustment.sku]
    adjustment.taken = math.min(adjustment.quantity, item.available)
    -- INV-3: what leaves available leaves the total.
    item.available, item.total = item.available - adjustment.taken, item.total - adjustment.taken
  end
end

writeControl(stateKey, control)
writeItems(stateKey, items)
for _, wanted in ipairs(control.items) do
  redis.call('HDEL', stateKey, wanted.sku .. ':adjusted')
end
for _, adjustment in ipairs(adjustments) do
  redis.call('HSET', stateKey, adjustment.field, adjustment.id .. ' ' .. whole(adjustment.taken))
end
tellChange(stateKey, 'control', now())
return told('applied', control.version)
