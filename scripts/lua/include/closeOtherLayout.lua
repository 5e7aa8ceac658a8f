-- Closes a lane of another layout that is open under the release that loaded it, so that whichever stock
-- opens it asks Postgres for what was not settled here. Nobody would ask otherwise: that release takes the
-- lane for sound, and the settlement does not come again. Needs `now` and `tellChange`.
---@param stateKey string
---@return { [1]: 'absent' }
local function closeOtherLayout(stateKey)
  if redis.call('HGET', stateKey, 'gate') == 'open' then
    redis.call('HSET', stateKey, 'gate', 'rebuilding')
    redis.call('HINCRBY', stateKey, 'fence', 1)
    tellChange(stateKey, 'gate', now())
  end
  return { 'absent' }
end
