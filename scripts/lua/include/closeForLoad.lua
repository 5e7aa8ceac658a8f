-- Closes a lane that must be loaded anew and cannot settle until then: one of another layout, or one of which
-- a part is missing or old. Whichever stock opens it asks Postgres for what was not settled here. Nobody
-- would ask otherwise: the lane is taken for sound, and the settlement does not come again. The fence of a
-- lane that is closed rises too, because what order was asked about it did not know of this settlement.
-- Needs `now` and `tellChange`.
---@param stateKey string
---@return { [1]: 'absent' }
local function closeForLoad(stateKey)
  local gate, server = unpack(redis.call('HMGET', stateKey, 'gate', 'server'))
  redis.call('HINCRBY', stateKey, 'fence', 1)
  if server then
    redis.call('HSET', stateKey, 'server', '-')
  end
  if gate == 'open' then
    redis.call('HSET', stateKey, 'gate', 'rebuilding')
    tellChange(stateKey, 'gate', now())
  end
  return { 'absent' }
end
