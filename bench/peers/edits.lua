-- The edits of route "tokenize" with cjson, for nginx. Modules and functions
-- are locals, and everything is loaded once, before the workers are forked.
local cjson = require "cjson.safe"
local decode, encode = cjson.decode, cjson.encode
local sub = string.sub
local req = ngx.req
local found, redis = pcall(require, "nginx.redis") -- lua-resty-redis, as Debian names it

local TOKEN = "7242424242404242"
local clinical = { injectable = true, treatment = true, laser = true }
local retail = { skincare = true, giftcard = true }

local M = { redis = found }

local function is_clinical(item)
  local category = item.category
  return clinical[category] or sub(item.sku or "", 1, 3) == "TX-" or not retail[category]
end

-- edit returns the edited body, or nil if it is no JSON, and the number of
-- items that went.
local function edit(body)
  local root = decode(body)
  if type(root) ~= "table" then
    return nil
  end
  root.patient, root.consent, root.appointment, root.note = nil, nil, nil, nil
  local card = root.payment and root.payment.card
  if card then
    card.cvv = nil
    if card.number then
      card.number = TOKEN
    end
  end
  local items, gone = root.items, 0
  if items then
    local kept, n = {}, 0
    for i = 1, #items do
      if is_clinical(items[i]) then
        gone = gone + 1
      else
        n = n + 1
        kept[n] = items[i]
      end
    end
    -- An empty table would be encoded as an object.
    root.items = n > 0 and kept or nil
  end
  return encode(root), gone, root.transaction_id
end

-- rewrite replaces the request's body; it runs in the rewrite phase.
function M.rewrite()
  req.read_body()
  local body, gone, id = edit(req.get_body_data() or "")
  if not body then
    return ngx.exit(400)
  end
  req.set_body_data(body)
  return gone, id
end

-- record does the same and appends one plain entry to a stream, awaited, over
-- a kept connection: no claim, no chain, nothing sealed, no outcome.
function M.record(port)
  local gone, id = M.rewrite()
  local client = redis:new()
  client:set_timeout(5000)
  local ok = client:connect("127.0.0.1", port)
  if not ok then
    return ngx.exit(503)
  end
  local entry = encode({ at = ngx.now(), id = id, route = "tokenize", to = "bridge", rules = { ["pan token"] = 1, ["phi drop"] = 4 + gone, ["sad drop"] = 1 } })
  ok = client:xadd("peer:log", "*", "e", entry)
  if not ok then
    return ngx.exit(503)
  end
  client:set_keepalive(60000, 128)
end

return M
