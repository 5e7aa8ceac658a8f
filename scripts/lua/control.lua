#!lua flags=allow-oom
-- Applies a whole control state when its version is higher than the lane's, so repeats and reordering are
-- harmless. The script works under any gate once the lane is loaded. It also works when memory is full,
-- because a sale must always be stoppable. Stock calls it for `PUT /internal/sales/:saleId`.
--
-- KEYS[1] state
-- ARGV[1] runId     run_id of the Redis behind the caller's connection
-- ARGV[2] control   JSON of the ControlState; totals are absolute, channels are added or get a new cap
--
-- Answers:
--   applied | current, gate, epoch, version    `current`: the lane stood at this version or a higher one
--   missing                                    no such lane
--   not_loaded                                 its snapshot brings its own control state
--   total_too_low, sku, held + paid            nothing was applied (INV-1)
--   item_missing, sku                          nothing was applied: a whole state names every item

local stateKey = KEYS[1]
local runId, control = ARGV[1], cjson.decode(ARGV[2])

--- @include "now"
--- @include "whole"
--- @include "gateOf"
--- @include "readItems"
--- @include "writeItems"
--- @include "applyTotals"
--- @include "writeControl"
--- @include "tellChange"

local gate, openedRunId, epoch, version, loaded, skus =
  unpack(redis.call('HMGET', stateKey, 'gate', 'run_id', 'epoch', 'version', 'loaded', 'skus'))
local verdict = gateOf(gate, openedRunId, runId)
if verdict == 'missing' then
  return { 'missing' }
end
if loaded ~= '1' then
  return { 'not_loaded' }
end
if control.version <= tonumber(version) then
  return { 'current', verdict, tonumber(epoch), tonumber(version) }
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

writeControl(stateKey, control)
writeItems(stateKey, items)
tellChange(stateKey, 'control', now())
return { 'applied', verdict, tonumber(epoch), control.version }
