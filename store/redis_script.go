package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// script is a script and its text, which go-redis keeps to itself.
type script struct {
	*redis.Script
	text string
}

func newScript(text string) *script { return &script{redis.NewScript(text), text} }

// The scripts do what no single command can: compare and set, the order within
// a group, and putting a log right. All keys of a call share one hash tag. The
// hot path (registers, log, queues without groups) needs none of them.
var (
	// KEYS queue; ARGV member, from, to.
	moveScript = newScript(`
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1`)

	// KEYS register, unless; ARGV value, life in ms or 0. Replies what is in
	// the way, or nothing.
	unlessScript = newScript(`
local there = redis.call('GET', KEYS[1]) or redis.call('GET', KEYS[2])
if there then return there end
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return false`)

	// KEYS due, group; ARGV member, score. The group keeps the order in which
	// its members reached the store, whatever the clocks of those who add. Replies
	// 1 if the member is due at the score. Most groups are new.
	groupAddScript = newScript(`
local due, group, member, score, waiting = KEYS[1], KEYS[2], ARGV[1], ARGV[2], '` + waitingText + `'
local newest = redis.call('ZREVRANGE', group, 0, 0, 'WITHSCORES')
if not newest[1] then
  redis.call('ZADD', group, score, member)
  if redis.call('ZADD', due, 'NX', score, member) == 1 then return 1 end
elseif not redis.call('ZSCORE', group, member) then
  local stamp = tonumber(score)
  if tonumber(newest[2]) >= stamp then stamp = tonumber(newest[2]) + 1 end
  redis.call('ZADD', group, string.format('%.0f', stamp), member)
end
if redis.call('ZRANGE', group, 0, 0)[1] ~= member then
  redis.call('ZADD', due, 'NX', waiting, member)
else
  if redis.call('ZSCORE', due, member) == waiting then redis.call('ZREM', due, member) end
  redis.call('ZADD', due, 'NX', score, member)
end
return redis.call('ZSCORE', due, member) == score and 1 or 0`)

	// KEYS due, group; ARGV member, score of the next.
	groupRemoveScript = newScript(`
local due, group, member, score, waiting = KEYS[1], KEYS[2], ARGV[1], ARGV[2], '` + waitingText + `'
redis.call('ZREM', due, member)
redis.call('ZREM', group, member)
local head = redis.call('ZRANGE', group, 0, 0)[1]
if head then
  local at = redis.call('ZSCORE', due, head)
  if not at or at == waiting then redis.call('ZADD', due, score, head) end
end
return 1`)

	// KEYS log; ARGV first sequence number, hash of its predecessor, a 1 or 0
	// for each stream entry of ours (appended just now, or not), the hashes that
	// should be there from first on, one after the other, and the ids of our
	// entries. Replies {code, newest, length}: 0 all is well; 1 the predecessor
	// is missing; 2 another record is in the way; 3 some of ours are missing;
	// 4 some were there in another entry, and those after newest are missing.
	// After 1 and 3 ours are taken out again, since none of them was
	// acknowledged, and one could never be appended before another; after 2
	// those that were appended just now; after 4 what was there twice. What is
	// missing before one of ours that is now the oldest was trimmed.
	settleScript = newScript(`
local log, first, prev, hashes = KEYS[1], tonumber(ARGV[1]), ARGV[2], ARGV[4]
local last = first + #hashes / 32 - 1
local fresh = {}
for i = 5, #ARGV do fresh[ARGV[i]] = string.sub(ARGV[3], i - 4, i - 4) == '1' end
local function id(seq) return string.format('%.0f-0', seq) end
local function hash(of, i) return string.sub(of, i * 32 + 1, i * 32 + 32) end
local function span(r)
  local to, h = tonumber(string.match(r[1], '^%d+')), ''
  for i = 1, #r[2], 2 do
    if r[2][i] == 'h' then h = r[2][i + 1] end
  end
  return to - math.max(math.floor(#h / 32), 1) + 1, to, h
end
local function newest()
  local r = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if not r then return '0' end
  return string.match(r[1], '^%d+')
end
local code, at = 0, first
local head = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if head then
  local from, to, h = span(head)
  if from >= first and to <= last and hash(h, 0) == hash(hashes, from - first) then at = from else head = nil end
end
if first > 1 and not head then
  local r = redis.call('XRANGE', log, id(first - 1), '+', 'COUNT', 1)[1]
  local from, to, h
  if r then from, to, h = span(r) end
  if not r or from > first - 1 then code = 1 elseif hash(h, first - 1 - from) ~= prev then code = 2 end
end
local ours, twice = {}, {}
for _, r in ipairs(redis.call('XRANGE', log, id(first), id(last))) do
  local from, to, h = span(r)
  local same = true
  for seq = math.max(from, first), to do
    if hash(h, seq - from) ~= hash(hashes, seq - first) then same = false end
  end
  if not same then
    code = 2
  else
    if from >= first then table.insert(ours, r[1]) end
    if from >= first and from < at then
      table.insert(twice, r[1])
    else
      if code == 0 and from > at then code = 3 end
      at = to + 1
    end
  end
end
if code == 0 and #twice > 0 then code = 4 elseif code == 0 and at ~= last + 1 then code = 3 end
if tonumber(newest()) > last then code = 2 end
if code ~= 0 then
  local gone = 0
  for _, v in ipairs(code == 4 and twice or ours) do
    if code ~= 2 or fresh[v] then gone = gone + redis.call('XDEL', log, v) end
  end
  if gone > 0 or (code ~= 2 and redis.call('EXISTS', log) == 1) then redis.call('XSETID', log, newest() .. '-0') end
end
return {code, newest(), redis.call('XLEN', log)}`)

	scripts = []*script{moveScript, unlessScript, groupAddScript, groupRemoveScript, settleScript, removeScript, takenScript}
)

// waitingText is Waiting as Redis prints a score.
var waitingText = strconv.FormatInt(Waiting, 10)

// loadScripts puts the scripts on every master. A server forgets them when it
// restarts, and a new master never had them.
func (d *redisDriver) loadScripts(ctx context.Context) error {
	load := func(ctx context.Context, c *redis.Client) error {
		for _, s := range scripts {
			if err := s.Load(ctx, c).Err(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.eachMaster(ctx, load); err != nil {
		return away(fmt.Errorf("load scripts: %w", err))
	}
	return nil
}
