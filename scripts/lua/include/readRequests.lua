-- Where the words of a request stand in ARGV, counted from its first, the user. A request is known by the
-- place of its first word.
local IDEMPOTENCY_KEY, KEY_HASH, RANDOM, CHANNEL_ID, REF, TRACEPARENT, EXTRA, LINE_COUNT, LINES =
  1, 2, 3, 4, 5, 6, 7, 8, 9

-- Gives an item its place in `fields`.
---@param fields string[] of `state`; gets available, held, price and total of the item
---@param sku string
---@return { place: number } item
local function addItem(fields, sku)
  local place = #fields + 1
  fields[place], fields[place + 1] = sku .. ':available', sku .. ':held'
  fields[place + 2], fields[place + 3] = sku .. ':price', sku .. ':total'
  return { place = place }
end

-- Reads the requests of a batch. Each item and channel stands once, however many requests name it, with the
-- place of its first field in `fields`.
---@param first number place of the first request
---@param fields string[] of `state`; gets those of the items (available, held, price, total) and of the
--- channels (cap, units, units_paid)
---@return number[]? requests their places; nil: malformed, or none
---@return string[] userIds of each request
---@return string[] keyHashes of each request
---@return table<string, { place: number }> items by SKU
---@return table<string, { place: number }> channels by id
local function readRequests(first, fields)
  -- The bounds limit how long Redis is busy, and how much `unpack` must hold: 64 requests of 20 lines name
  -- 5,324 fields of 8,000.
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
