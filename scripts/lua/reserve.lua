#!lua
-- Takes units for the buyers of a batch. Each buyer gets all lines or none, in one atomic step with the hold
-- and the outbox entry (D1). Stock calls this script with what a batch holds for one lane. The requests are
-- decided one after the other, as if each had come alone. A rejected request writes nothing. The cost of a
-- call lies in its redis.calls, not in its Lua: a batch reads with six, writes with three and
-- tells of it with one, and each reservation adds one. In calls of 1, 4, 16 and 64 requests of one line,
-- each request took 29, 16, 13 and 11 µs (the bench of `script_vs_minimal`, which sends 64).
--
-- KEYS[1] state     KEYS[2] buyers    KEYS[3] keys      KEYS[4] holds     KEYS[5] outbox
-- ARGV[1] runId          identity of the Redis behind the caller's connection
-- ARGV[2] outboxCountMax entries the outbox may hold before we shed load
-- ARGV[3] deadline       instant of this Redis' clock, after which nothing is taken; milliseconds. Whoever
--                        asked has been told `outcome_unknown` by then, and may have heard "no" since
-- then of each request, 64 at most:
--   userId
--   idempotencyKey
--   keyHash       of the two, 22 characters; field of `holds` and `keys`, end of the reservation's id
--   random        16 characters before it in the id of a new reservation
--   channelId     '' = none
--   ref           '' = none
--   traceparent   '' = none
--   extra         JSON that ends the record (services/stock, hold-record.ts); '' = none
--   lineCount, then sku, quantity of each line; no SKU twice
--
-- Answers one for each request, in order; the first that applies:
--   overloaded
--   sale_unavailable, 1 if the lane is missing, else 0
--   known, record                  the key reserved before (INV-4); the caller compares the requests
--   sale_closed                    by hand, or closes_at has come
--   sale_paused
--   sale_not_open, opensAt, milliseconds until then
--   sku_not_found, sku; then of each line that fails: sku, code, available ('' of an unknown SKU)
--   channel_not_found
--   quantity_not_allowed, sku, minimum, step; then each line that fails, as above
--   item_paused, sku, retryable; then each line that fails, as above
--   sold_out, sku, available, final, retryable; then each line that fails, as above
--   limit_reached, limit, units the buyer holds or paid, retryable, sku where it is its limit, else ''; then
--                  each item whose own limit is exceeded, as above
--   holds_exceeded, holdsMax
--   rejoin_later, milliseconds until then, retryable
--   channel_full, cap, retryable
--   late, this Redis' clock        the units could be had, but the deadline has passed
--   reserved, record
-- `final` and `retryable` are 1 or 0. Final: every unit of every line is paid. Retryable: the same request of
-- the same buyer may succeed before the sale closes, once holds have ended unpaid, a cool-down is over, a
-- paused item sells again, or an item without any unit gets some. What only more units, a higher limit, a
-- higher cap or a later end would change is not retryable (D51).
-- Errors in the place of an answer, nothing written for this request: SECKILL_LANE_BROKEN counts of its
-- items, buyer or channel, or a part of the lane is missing or old; what XADD says to a rewound id.
-- For the whole call, nothing written:
-- SECKILL_RESERVE_ARGUMENTS, our own bug.

local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2] or '', '^%d+$'))
local deadline = tonumber(string.match(ARGV[3] or '', '^%d+$'))
local FIRST_REQUEST = 4

--- @include "now"
--- @include "layout"
--- @include "gateOf"
--- @include "buyer"
--- @include "itemRules"
--- @include "stamps"
--- @include "tellChange"
--- @include "readRequests"

local fields = {
  'gate', 'run_id', 'epoch', 'sequence', 'state', 'opens_at', 'closes_at', 'hold_ms', 'limit', 'currency',
  'holds_max', 'rejoin_ms', 'paused_skus', 'quantity_rules', 'item_limits',
  'kits',
}
local STATE_FIELDS = #fields
local requests, userIds, keyHashes, items, channels = readRequests(FIRST_REQUEST, fields)
if not outboxCountMax or not deadline or runId == '' or not requests then
  return redis.error_reply('SECKILL_RESERVE_ARGUMENTS malformed call')
end

local answers = {}
local room = outboxCountMax - redis.call('XLEN', outboxKey)
if room <= 0 then
  for number = 1, #requests do
    answers[number] = { 'overloaded' }
  end
  return answers
end

local lane = redis.call('HMGET', stateKey, unpack(fields))
local gate, openedRunId, epoch, sequence, state, opensAt, closesAt, holdMs, limit, currency, holdsMax, rejoinMs,
  pausedSkus, quantityRules, itemLimitsText, kitsText =
  unpack(lane, 1, STATE_FIELDS)
local verdict = gateOf(gate, openedRunId, runId)
if verdict ~= 'open' then
  for number = 1, #requests do
    answers[number] = { 'sale_unavailable', verdict == 'missing' and 1 or 0 }
  end
  return answers
end
-- Reads a count as it was written, or gives nil. tonumber takes `-5`, `nan` and `0x7` for numbers, and with
-- those a damaged lane would sell without end (INV-1, INV-6).
local function count(text)
  return tonumber(string.match(text or '', '^%d+$'))
end

-- Lanes of one Redis have no stamps. Asked for with the other fields, they cost a call of one request 3 to
-- 4 % there, so the layout tells.
local isStamped = string.sub(openedRunId, -#STAMPED_LAYOUT - 1) == ':' .. STAMPED_LAYOUT
local buyersStamp, keysStamp, holdsStamp
if isStamped then
  buyersStamp, keysStamp, holdsStamp =
    unpack(redis.call('HMGET', stateKey, 'buyers_stamp', 'keys_stamp', 'holds_stamp'))
  keyHashes[#requests + 1], userIds[#requests + 1] = STAMP, STAMP
end
-- INV-4: a record is in one of the two hashes, because settle.lua moves it.
local held, ended = redis.call('HMGET', holdsKey, unpack(keyHashes)), redis.call('HMGET', keysKey, unpack(keyHashes))
local buyers = redis.call('HMGET', buyersKey, unpack(userIds))
local at = now()
if isStamped then
  local place = #requests + 1
  -- Even what a key is known to have reserved may be old.
  if not holdsStamp or held[place] ~= holdsStamp or ended[place] ~= keysStamp or buyers[place] ~= buyersStamp then
    for number = 1, #requests do
      answers[number] = redis.error_reply('SECKILL_LANE_BROKEN parts of different instants')
    end
    return answers
  end
end

-- Reads the counts of the parts of the kits that the batch asks for. Only then does it cost another call.
local kits = parseKits(kitsText)
local askedKits, firstPart = {}, #fields + 1
if kits then
  for sku, item in pairs(items) do
    item.kit = kits[sku]
    askedKits[#askedKits + 1] = item.kit and item
  end
  for _, item in ipairs(askedKits) do
    for _, part in ipairs(item.kit.parts) do
      if not items[part.sku] then
        items[part.sku] = addItem(fields, part.sku)
      end
    end
  end
  if #fields >= firstPart then
    for place, value in ipairs(redis.call('HMGET', stateKey, unpack(fields, firstPart))) do
      lane[firstPart - 1 + place] = value
    end
  end
end

-- A lane that an older build loaded lacks the fields of both.
local rules = {}
for sku, minimum, step in string.gmatch(quantityRules or '', '(%S+):(%d+):(%d+)') do
  rules[sku] = { minimum = tonumber(minimum), step = tonumber(step) }
end
local itemLimits = parseItemLimits(itemLimitsText)
pausedSkus = pausedSkus and pausedSkus ~= '' and ' ' .. pausedSkus .. ' '
for sku, item in pairs(items) do
  local place = item.place
  item.rule = rules[sku]
  item.limit = itemLimits and itemLimits[sku]
  item.isPaused = pausedSkus and string.find(pausedSkus, ' ' .. sku .. ' ', 1, true) ~= nil
  item.isKnown = lane[place] ~= false
  item.available, item.held, item.price = count(lane[place]), count(lane[place + 1]), lane[place + 2]
  item.total = count(lane[place + 3])
  item.isBroken = not item.available or not item.held or not count(item.price) or not item.total
end
for _, item in ipairs(askedKits) do
  item.isKnown, item.isBroken, item.price = true, false, item.kit.price
  for _, part in ipairs(item.kit.parts) do
    item.isBroken = item.isBroken or items[part.sku].isBroken
    item.isPaused = item.isPaused or items[part.sku].isPaused
  end
end
for _, channel in pairs(channels) do
  channel.cap, channel.units = lane[channel.place], count(lane[channel.place + 1])
  channel.paid, channel.capUnits = count(lane[channel.place + 2]), count(channel.cap)
end
local limitUnits, holdCountMax, rejoinAfterMs = count(limit), count(holdsMax), count(rejoinMs)
local isLimitBroken = (not limitUnits and limit ~= '') or (not holdCountMax and holdsMax ~= '')
  or (not rejoinAfterMs and rejoinMs ~= '')

-- A sale is in one state at a time. Closed comes first: "paused" and "not open" invite a repeat that cannot
-- succeed.
local shut
if state == 'closed' or at >= tonumber(closesAt) then
  shut = { 'sale_closed' }
elseif state == 'paused' then
  shut = { 'sale_paused' }
elseif at < tonumber(opensAt) then
  shut = { 'sale_not_open', opensAt, tonumber(opensAt) - at }
end

-- What this batch did so far, by user and by keyHash, and what is to be written. Numbers go into texts and
-- calls as they are: Lua writes whole numbers exactly below 10^14 (milliseconds reach that in the year 5138),
-- redis.call below 10^17. Quantities and prices stay the texts they came as.
local buyerOf, recordOf = {}, {}
local entries, newBuyers, newHolds = {}, {}, {}

-- A damaged lane fails closed, and only for the requests that the damage concerns.
local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end

-- Appends the lines that fail to the answer.
local function withLines(answer, failed)
  for _, line in ipairs(failed) do
    local last = #answer
    answer[last + 1], answer[last + 2], answer[last + 3] = line.sku, line.code, line.available
  end
  return answer
end

-- What a request that names a kit asks of the items. The lines of the request are looked at one after the
-- other: what one could have, the next cannot.
---@return table<number, table>? views by place of the line, what judge reads of an item: what the parts
--- allow of a kit; then `units` by SKU, `skus` in their order, and `bought`, a word of the record. nil: the
--- request names no kit
local function viewsOf(first)
  local lastLine, isKit = first + LINES - 2 + 2 * ARGV[first + LINE_COUNT], false
  for line = first + LINES, lastLine, 2 do
    isKit = isKit or items[ARGV[line]].kit ~= nil
  end
  if not isKit then
    return nil
  end
  local views, units, skus, bought, left, back = {}, {}, {}, {}, {}, {}
  for line = first + LINES, lastLine, 2 do
    local sku, quantity = ARGV[line], tonumber(ARGV[line + 1])
    local item = items[sku]
    if item.isKnown and not item.isBroken then
      local parts = item.kit and item.kit.parts or { { sku = sku, quantity = 1 } }
      local available, most, total, each = math.huge, math.huge, math.huge, 0
      for _, part in ipairs(parts) do
        local of = items[part.sku]
        if not units[part.sku] then
          units[part.sku], skus[#skus + 1] = 0, part.sku
          left[part.sku], back[part.sku] = of.available, of.available + of.held
        end
        available = math.min(available, math.floor(left[part.sku] / part.quantity))
        most = math.min(most, math.floor(back[part.sku] / part.quantity))
        total, each = math.min(total, math.floor(of.total / part.quantity)), each + part.quantity
      end
      for _, part in ipairs(parts) do
        local asked = quantity * part.quantity
        units[part.sku] = units[part.sku] + asked
        left[part.sku] = left[part.sku] - (available >= quantity and asked or 0)
        back[part.sku] = back[part.sku] - (most >= quantity and asked or 0)
      end
      views[line] = {
        isKnown = true, isPaused = item.isPaused, rule = item.rule, each = each,
        available = available, held = most - available, total = total,
      }
      bought[#bought + 1] = sku .. ' ' .. ARGV[line + 1] .. ' ' .. item.price
    end
  end
  views.units, views.skus, views.bought = units, skus, '=' .. table.concat(bought, ' ')
  return views
end

-- Judges the limits that items have of their own (INV-6).
---@param views table? as viewsOf gives it
---@return { sku: string, code: string, available: number, units: number }[]? over the items whose limits
--- are exceeded, with the units that the buyer has of each; nil: none
---@return boolean isPaidInTheWay also if all that is held came back, some limit would be exceeded
---@return table<string, number> unitsOf units by SKU
local function judgeItemLimits(buyer, first, views)
  local over, isPaidInTheWay = nil, false
  local unitsOf, skus = views and views.units or {}, views and views.skus or {}
  if not views then
    for line = first + LINES, first + LINES - 2 + 2 * ARGV[first + LINE_COUNT], 2 do
      unitsOf[ARGV[line]], skus[#skus + 1] = tonumber(ARGV[line + 1]), ARGV[line]
    end
  end
  for _, sku in ipairs(skus) do
    local units, most = unitsOf[sku], items[sku].limit
    local count = buyer.items and buyer.items[sku] or { units = 0, paid = 0 }
    if most and count.units + units > most then
      over = over or {}
      over[#over + 1] = {
        sku = sku, code = 'limit_reached', available = items[sku].available, units = count.units,
      }
      isPaidInTheWay = isPaidInTheWay or count.paid + units > most
    end
  end
  return over, isPaidInTheWay, unitsOf
end

-- Answers with the first reason against the request, or with nil when there is none. With nil the buyer and
-- the channel already have the units, and the caller takes them from the items.
---@param views table? as viewsOf gives it
local function judge(number, first, views)
  local userId, channelId = userIds[number], ARGV[first + CHANNEL_ID]
  local quantity, failed, unknown, odd, paused, short = 0, {}, nil, nil, nil, nil
  -- All units of every line are paid; no line asks for more of an item than could come back.
  local isFinal, mayComeBack = true, true
  for line = first + LINES, first + LINES - 2 + 2 * ARGV[first + LINE_COUNT], 2 do
    local sku, units = ARGV[line], tonumber(ARGV[line + 1])
    local item = views and views[line] or items[sku]
    if not item.isKnown then
      failed[#failed + 1] = { sku = sku, code = 'sku_not_found', available = '' }
      unknown = unknown or sku
    elseif item.isBroken then
      return broken('counts of an item')
    else
      local rule = item.rule
      if rule and (units < rule.minimum or units % rule.step ~= 0) then
        failed[#failed + 1] = { sku = sku, code = 'quantity_not_allowed', available = item.available }
        odd = odd or sku
      elseif item.isPaused then
        failed[#failed + 1] = { sku = sku, code = 'item_paused', available = item.available }
        paused = paused or sku
      elseif item.available < units then
        -- INV-1
        failed[#failed + 1] = { sku = sku, code = 'sold_out', available = item.available }
        short = short or failed[#failed]
      end
      -- An item without any unit waits for its first ones.
      isFinal = isFinal and item.total > 0 and item.available + item.held == 0
      mayComeBack = mayComeBack and (item.total == 0 or item.available + item.held >= units)
    end
    quantity = quantity + units * (item.each or 1)
  end
  if unknown then
    return withLines({ 'sku_not_found', unknown }, failed)
  end
  local channel = channels[channelId]
  if channel and not channel.cap then
    return { 'channel_not_found' }
  end
  if odd then
    local rule = items[odd].rule
    return withLines({ 'quantity_not_allowed', odd, rule.minimum, rule.step }, failed)
  end
  -- INV-6
  local buyer = buyerOf[userId] or parseBuyer(buyers[number])
  if not buyer or isLimitBroken then
    return broken('units or limit of a buyer')
  end
  local cap = channel and channel.capUnits
  if channel and (not channel.units or not channel.paid or (not cap and channel.cap ~= '')) then
    return broken('units or cap of a channel')
  end
  local over, isItemInTheWay, unitsOf
  if itemLimits then
    over, isItemInTheWay, unitsOf = judgeItemLimits(buyer, first, views)
  end
  local isOverLimit = limitUnits and buyer.units + quantity > limitUnits
  local isHoldsMax = holdCountMax and buyer.holds >= holdCountMax
  -- Another cool-down may follow the end of a hold that is in the way. When it begins is not known here: the
  -- hold may have ended already, with its settlement on the way.
  local restsUntil = rejoinAfterMs and buyer.endedAt + rejoinAfterMs
  -- What is held and not paid may come back. What is paid stays, and so does the number of holds.
  local mayFit = not (limitUnits and buyer.paid + quantity > limitUnits) and not isItemInTheWay
    and not (cap and channel.paid + quantity > cap) and not isHoldsMax
    and not (restsUntil and restsUntil >= tonumber(closesAt))
  if paused or short then
    -- All lines together want that much of a part. A kit's lines were looked at one by one above.
    for sku, units in pairs(views and views.units or {}) do
      local item = items[sku]
      mayComeBack = mayComeBack and (item.total == 0 or item.available + item.held >= units)
    end
    local isRetryable = mayComeBack and mayFit and 1 or 0
    if paused then
      return withLines({ 'item_paused', paused, isRetryable }, failed)
    end
    return withLines({ 'sold_out', short.sku, short.available, isFinal and 1 or 0, isRetryable }, failed)
  end
  if isOverLimit then
    return withLines({ 'limit_reached', limitUnits, buyer.units, mayFit and 1 or 0, '' }, over or {})
  end
  if over then
    local sku, units = over[1].sku, over[1].units
    return withLines({ 'limit_reached', items[sku].limit, units, mayFit and 1 or 0, sku }, over)
  end
  if isHoldsMax then
    return { 'holds_exceeded', holdCountMax }
  end
  if restsUntil and restsUntil > at then
    return { 'rejoin_later', restsUntil - at, mayFit and 1 or 0 }
  end
  if cap and channel.units + quantity > cap then
    return { 'channel_full', cap, mayFit and 1 or 0 }
  end
  if at > deadline then
    return { 'late', at }
  end
  buyer.units, buyer.holds = buyer.units + quantity, buyer.holds + 1
  if itemLimits then
    countItems(buyer, unitsOf, 1, 0, itemLimits)
  end
  buyerOf[userId] = buyer
  if channel then
    channel.units, channel.isChanged = channel.units + quantity, true
  end
  return nil
end

for number, first in ipairs(requests) do
  local keyHash = keyHashes[number]
  local known = held[number] or ended[number] or recordOf[keyHash]
  local views
  if #entries >= room then
    answers[number] = { 'overloaded' }
  elseif known then
    answers[number] = { 'known', known }
  else
    views = not shut and kits and viewsOf(first) or nil
    answers[number] = shut or judge(number, first, views)
  end
  if not answers[number] then
    local userId, channelId = userIds[number], ARGV[first + CHANNEL_ID]
    sequence = sequence + 1
    local entryId = epoch .. '-' .. sequence
    local facts = {
      userId, ARGV[first + IDEMPOTENCY_KEY], ARGV[first + RANDOM], entryId, at, holdMs, currency, channelId, ARGV[first + REF],
    }
    -- INV-3: what leaves available enters held.
    if views then
      for _, sku in ipairs(views.skus) do
        local item, last, units = items[sku], #facts, views.units[sku]
        facts[last + 1], facts[last + 2], facts[last + 3] = sku, units, item.price
        item.available, item.held, item.isChanged = item.available - units, item.held + units, true
      end
      facts[#facts + 1] = views.bought
    end
    for line = first + LINES, views and 0 or first + LINES - 2 + 2 * ARGV[first + LINE_COUNT], 2 do
      local item, last = items[ARGV[line]], #facts
      facts[last + 1], facts[last + 2], facts[last + 3] = ARGV[line], ARGV[line + 1], item.price
      item.available, item.held, item.isChanged = item.available - ARGV[line + 1], item.held + ARGV[line + 1], true
    end
    if ARGV[first + EXTRA] ~= '' then
      facts[#facts + 1] = ARGV[first + EXTRA]
    end
    local record = table.concat(facts, '\n')
    local last = #newHolds
    entries[#entries + 1] = { entryId, record, ARGV[first + TRACEPARENT], number }
    newHolds[last + 1], newHolds[last + 2] = keyHash, record
    newBuyers[last + 1], newBuyers[last + 2] = userId, formatBuyer(buyerOf[userId])
    recordOf[keyHash] = record
    answers[number] = { 'reserved', record }
  end
end
if #entries == 0 then
  return answers
end

-- This is the first write, because only this one can be refused (a rewound id). When it is refused, nothing
-- else has happened, and the ids after it are higher still.
for number, entry in ipairs(entries) do
  local add = number == 1 and redis.pcall or redis.call
  local added
  if entry[3] == '' then
    added = add('XADD', outboxKey, entry[1], 'record', entry[2])
  else
    added = add('XADD', outboxKey, entry[1], 'record', entry[2], 'traceparent', entry[3])
  end
  if type(added) == 'table' and added.err then
    -- The requests decided after the first of them were told of units that nobody took.
    for place = entry[4], #requests do
      if not held[place] and not ended[place] then
        answers[place] = added
      end
    end
    return answers
  end
end
local written = { 'sequence', sequence }
local function write(place, count)
  local last = #written
  written[last + 1], written[last + 2] = fields[place], count
end
for _, item in pairs(items) do
  if item.isChanged then
    write(item.place, item.available)
    write(item.place + 1, item.held)
  end
end
for _, channel in pairs(channels) do
  if channel.isChanged then
    write(channel.place + 1, channel.units)
  end
end
if isStamped then
  local stamp, last, lastNew = stampAfter(at, buyersStamp, holdsStamp), #written, #newHolds
  written[last + 1], written[last + 2], written[last + 3], written[last + 4] =
    'buyers_stamp', stamp, 'holds_stamp', stamp
  newBuyers[lastNew + 1], newBuyers[lastNew + 2] = STAMP, stamp
  newHolds[lastNew + 1], newHolds[lastNew + 2] = STAMP, stamp
end
redis.call('HSET', stateKey, unpack(written))
redis.call('HSET', buyersKey, unpack(newBuyers))
redis.call('HSET', holdsKey, unpack(newHolds))
tellChange(stateKey, 'reserved', at)
return answers
