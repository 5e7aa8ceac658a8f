#!lua
local stateKey, buyersKey, keysKey, holdsKey, outboxKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local runId, outboxCountMax = ARGV[1], tonumber(string.match(ARGV[2] or '', '^%d+$'))
local deadline = tonumber(string.match(ARGV[3] or '', '^%d+$'))
local FIRST_REQUEST = 4
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local LAYOUT = '2'
local STAMPED_LAYOUT = '3'
local PARTLY = ' partly'
local function isLoaded(loaded)
  return loaded == LAYOUT or loaded == STAMPED_LAYOUT
end
local function isOtherLayout(loaded)
  return loaded and not isLoaded(loaded) and loaded ~= LAYOUT .. PARTLY and loaded ~= STAMPED_LAYOUT .. PARTLY
end
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
local function parseBuyer(text)
  if not text then
    return { units = 0, paid = 0, holds = 0, endedAt = 0 }
  end
  local units, paid, holds, endedAt, rest = string.match(text, '^(%d+) (%d+) (%d+) (%d+)(.*)$')
  if not units then
    return nil
  end
  local items
  if rest ~= '' then
    local length = 0
    items = {}
    for words, sku, itemUnits, itemPaid in string.gmatch(rest, '( (%S+) ([1-9]%d*) (%d+))') do
      items[sku] = { units = tonumber(itemUnits), paid = tonumber(itemPaid) }
      length = length + #words
    end
    if length ~= #rest then
      return nil
    end
  end
  return {
    units = tonumber(units), paid = tonumber(paid), holds = tonumber(holds), endedAt = tonumber(endedAt), items = items,
  }
end
local function formatBuyer(buyer)
  local text = string.format('%.0f %.0f %.0f %.0f', buyer.units, buyer.paid, buyer.holds, buyer.endedAt)
  if buyer.items then
    local words = {}
    for sku, count in pairs(buyer.items) do
      if count.units > 0 then
        words[#words + 1] = string.format(' %s %.0f %.0f', sku, count.units, count.paid)
      end
    end
    table.sort(words)
    text = text .. table.concat(words)
  end
  return text
end
local function countItems(buyer, unitsOf, taken, paid, limits)
  buyer.items = buyer.items or {}
  for sku, units in pairs(unitsOf) do
    local count = buyer.items[sku]
    if not count and limits and limits[sku] then
      count = { units = 0, paid = 0 }
      buyer.items[sku] = count
    end
    if count then
      count.units, count.paid = count.units + taken * units, count.paid + paid * units
      if count.paid < 0 or count.units < count.paid then
        return false
      end
    end
  end
  return true
end
local function formatItemLimits(items)
  local limits = {}
  for _, item in ipairs(items) do
    if item.limitPerBuyer then
      limits[#limits + 1] = string.format('%s:%.0f', item.sku, item.limitPerBuyer)
    end
  end
  return table.concat(limits, ' ')
end
local function parseItemLimits(text)
  if not text or text == '' then
    return nil
  end
  local limits = {}
  for sku, units in string.gmatch(text, '(%S+):(%d+)') do
    limits[sku] = tonumber(units)
  end
  return limits
end
local function formatKits(kits)
  local texts = {}
  for _, kit in ipairs(kits or {}) do
    local parts = {}
    for _, part in ipairs(kit.parts) do
      parts[#parts + 1] = string.format('%s*%.0f', part.sku, part.quantity)
    end
    texts[#texts + 1] = string.format('%s:%.0f:%s', kit.sku, kit.price, table.concat(parts, ','))
  end
  return table.concat(texts, ' ')
end
local function parseKits(text)
  if not text or text == '' then
    return nil
  end
  local kits = {}
  for sku, price, partsText in string.gmatch(text, '([^%s:]+):(%d+):(%S+)') do
    local parts = {}
    for part, quantity in string.gmatch(partsText, '([^,*]+)%*(%d+)') do
      parts[#parts + 1] = { sku = part, quantity = tonumber(quantity) }
    end
    kits[sku] = { price = price, parts = parts }
  end
  return kits
end
local STAMP = 'last write'
local function isTorn(stamp, key)
  return stamp and redis.pcall('HGET', key, STAMP) ~= stamp
end
local function stampAfter(at, one, two, three)
  return string.format('%.0f', math.max(at * 1000, (one or 0) + 1, (two or 0) + 1, (three or 0) + 1))
end
local function tellChange(stateKey, what, at)
  redis.pcall('PUBLISH', 'seckill:changes', string.match(stateKey, '{(.*)}') .. ' ' .. what .. ' ' .. at)
end
local IDEMPOTENCY_KEY, KEY_HASH, RANDOM, CHANNEL_ID, REF, TRACEPARENT, EXTRA, LINE_COUNT, LINES =
  1, 2, 3, 4, 5, 6, 7, 8, 9
local function addItem(fields, sku)
  local place = #fields + 1
  fields[place], fields[place + 1] = sku .. ':available', sku .. ':held'
  fields[place + 2], fields[place + 3] = sku .. ':price', sku .. ':total'
  return { place = place }
end
local function readRequests(first, fields)
  local REQUESTS_MAX, LINES_MAX = 64, 20
  local args, requests, userIds, keyHashes, items, channels = ARGV, {}, {}, {}, {}, {}
  while args[first] do
    local userId, keyHash, random = args[first], args[first + KEY_HASH], args[first + RANDOM]
    local channelId, lineCount = args[first + CHANNEL_ID], tonumber(args[first + LINE_COUNT])
    if
      not lineCount or lineCount < 1 or lineCount > LINES_MAX or #requests == REQUESTS_MAX
      or userId == '' or args[first + IDEMPOTENCY_KEY] == '' or #keyHash ~= 22 or #random ~= 16
    then
      return nil
    end
    local number = #requests + 1
    requests[number], userIds[number], keyHashes[number] = first, userId, keyHash
    if channelId ~= '' and not channels[channelId] then
      local place = #fields + 1
      channels[channelId] = { place = place }
      fields[place], fields[place + 1] = channelId .. ':cap', channelId .. ':units'
      fields[place + 2] = channelId .. ':units_paid'
    end
    local firstLine = first + LINES
    first = firstLine + 2 * lineCount
    for line = firstLine, first - 2, 2 do
      local sku, quantity = args[line], args[line + 1]
      if not quantity or sku == '' or not string.match(quantity, '^[1-9]%d*$') then
        return nil
      end
      local item = items[sku]
      if not item then
        item = addItem(fields, sku)
        items[sku] = item
      elseif item.askedBy == number then
        return nil
      end
      item.askedBy = number
    end
  end
  return requests[1] and requests, userIds, keyHashes, items, channels
end
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
local function count(text)
  return tonumber(string.match(text or '', '^%d+$'))
end
local isStamped = string.sub(openedRunId, -#STAMPED_LAYOUT - 1) == ':' .. STAMPED_LAYOUT
local buyersStamp, keysStamp, holdsStamp
if isStamped then
  buyersStamp, keysStamp, holdsStamp =
    unpack(redis.call('HMGET', stateKey, 'buyers_stamp', 'keys_stamp', 'holds_stamp'))
  keyHashes[#requests + 1], userIds[#requests + 1] = STAMP, STAMP
end
local held, ended = redis.call('HMGET', holdsKey, unpack(keyHashes)), redis.call('HMGET', keysKey, unpack(keyHashes))
local buyers = redis.call('HMGET', buyersKey, unpack(userIds))
local at = now()
if isStamped then
  local place = #requests + 1
  if not holdsStamp or held[place] ~= holdsStamp or ended[place] ~= keysStamp or buyers[place] ~= buyersStamp then
    for number = 1, #requests do
      answers[number] = redis.error_reply('SECKILL_LANE_BROKEN parts of different instants')
    end
    return answers
  end
end
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
local shut
if state == 'closed' or at >= tonumber(closesAt) then
  shut = { 'sale_closed' }
elseif state == 'paused' then
  shut = { 'sale_paused' }
elseif at < tonumber(opensAt) then
  shut = { 'sale_not_open', opensAt, tonumber(opensAt) - at }
end
local buyerOf, recordOf = {}, {}
local entries, newBuyers, newHolds = {}, {}, {}
local function broken(what)
  return redis.error_reply('SECKILL_LANE_BROKEN ' .. what)
end
local function withLines(answer, failed)
  for _, line in ipairs(failed) do
    local last = #answer
    answer[last + 1], answer[last + 2], answer[last + 3] = line.sku, line.code, line.available
  end
  return answer
end
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
local function judge(number, first, views)
  local userId, channelId = userIds[number], ARGV[first + CHANNEL_ID]
  local quantity, failed, unknown, odd, paused, short = 0, {}, nil, nil, nil, nil
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
        failed[#failed + 1] = { sku = sku, code = 'sold_out', available = item.available }
        short = short or failed[#failed]
      end
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
  local restsUntil = rejoinAfterMs and buyer.endedAt + rejoinAfterMs
  local mayFit = not (limitUnits and buyer.paid + quantity > limitUnits) and not isItemInTheWay
    and not (cap and channel.paid + quantity > cap) and not isHoldsMax
    and not (restsUntil and restsUntil >= tonumber(closesAt))
  if paused or short then
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
for number, entry in ipairs(entries) do
  local add = number == 1 and redis.pcall or redis.call
  local added
  if entry[3] == '' then
    added = add('XADD', outboxKey, entry[1], 'record', entry[2])
  else
    added = add('XADD', outboxKey, entry[1], 'record', entry[2], 'traceparent', entry[3])
  end
  if type(added) == 'table' and added.err then
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