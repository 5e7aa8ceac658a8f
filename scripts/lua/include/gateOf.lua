-- What the lane's gate means on this connection (docs/recovery.md, "The gate").
---@param gate string|false field `gate`
---@param openedRunId string|false field `run_id`: the Redis process under which the lane was opened, a colon
--- and the layout. What a release of another layout opened is stale
---@param runId string the Redis process behind the caller's connection
---@return 'missing'|'rebuilding'|'stale'|'open'
local function gateOf(gate, openedRunId, runId)
  if not gate then
    return 'missing'
  end
  if gate ~= 'open' then
    return 'rebuilding'
  end
  if openedRunId ~= runId .. ':' .. LAYOUT and openedRunId ~= runId .. ':' .. STAMPED_LAYOUT then
    return 'stale'
  end
  return 'open'
end
