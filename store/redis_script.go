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
	// its members reached the store, whatever the clocks of those who add.
	groupAddScript = newScript(`
local due, group, member, score, waiting = KEYS[1], KEYS[2], ARGV[1], ARGV[2], '` + waitingText + `'
if not redis.call('ZSCORE', group, member) then
  local stamp = tonumber(score)
  local newest = redis.call('ZREVRANGE', group, 0, 0, 'WITHSCORES')
  if newest[2] and tonumber(newest[2]) >= stamp then stamp = tonumber(newest[2]) + 1 end
  redis.call('ZADD', group, string.format('%.0f', stamp), member)
end
if redis.call('ZRANGE', group, 0, 0)[1] ~= member then
  return redis.call('ZADD', due, 'NX', waiting, member)
end
if redis.call('ZSCORE', due, member) == waiting then redis.call('ZREM', due, member) end
return redis.call('ZADD', due, 'NX', score, member)`)

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
	// for each record (appended just now, or not), and the hashes that should
	// be there from first on. Replies {code, newest, length}: 0 all is well; 1 the
	// predecessor is missing; 2 another record is in the way; 3 some of ours
	// are missing. After 1 and 3 ours are taken out again, since none of them
	// was acknowledged, and one could never be appended before another; after 2
	// those that were appended just now. What is missing before one of ours that
	// is now the oldest was trimmed.
	settleScript = newScript(`
local log, first, count = KEYS[1], tonumber(ARGV[1]), #ARGV - 3
local function id(seq) return string.format('%.0f-0', seq) end
local function hash(seq)
  local r = redis.call('XRANGE', log, id(seq), id(seq))[1]
  if not r then return nil end
  for i = 1, #r[2], 2 do
    if r[2][i] == 'h' then return r[2][i + 1] end
  end
  return ''
end
local function newest()
  local r = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if not r then return '0' end
  return string.match(r[1], '^%d+')
end
local head = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local oldest = head and tonumber(string.match(head[1], '^%d+')) or 0
if oldest < first or hash(oldest) ~= ARGV[oldest - first + 4] then oldest = 0 end
local code = 0
if first > 1 and oldest == 0 then
  local before = hash(first - 1)
  if not before then code = 1 elseif before ~= ARGV[2] then code = 2 end
end
local ours = {}
for i = 1, count do
  local seq = first + i - 1
  local h = hash(seq)
  if h == ARGV[i + 3] then
    table.insert(ours, {id(seq), string.sub(ARGV[3], i, i) == '1'})
  elseif h then
    code = 2
  elseif code == 0 and seq > oldest then
    code = 3
  end
end
if tonumber(newest()) >= first + count then code = 2 end
if code ~= 0 then
  local gone = 0
  for _, v in ipairs(ours) do
    if code ~= 2 or v[2] then gone = gone + redis.call('XDEL', log, v[1]) end
  end
  if gone > 0 or (code ~= 2 and redis.call('EXISTS', log) == 1) then redis.call('XSETID', log, newest() .. '-0') end
end
return {code, newest(), redis.call('XLEN', log)}`)

	scripts = []*script{moveScript, unlessScript, groupAddScript, groupRemoveScript, settleScript, removeScript}
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
