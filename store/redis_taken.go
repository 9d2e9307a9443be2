package store

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// takeAfter is how old a member is that is taken from the list of a chain that
// lives: its process has nothing to write.
const takeAfter = 4 * openFor

// takenScript: KEYS list; ARGV what it held. It is deleted if it holds nothing
// else: a process that was taken for dead may have woken up.
var takenScript = newScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// chainLists is what there is of a chain's lists, and of its lease.
type chainLists struct {
	alive *redis.IntCmd
	sizes [2]*redis.IntCmd
}

// takeOpen puts what is in the lists of chains that have died into Doubt, and
// what has been in others for long.
func (d *redisDriver) takeOpen(ctx context.Context) error {
	chains, err := d.Chains(ctx)
	if err != nil || len(chains) == 0 {
		return err
	}
	pipe := d.side.Pipeline()
	found := make([]chainLists, len(chains))
	for i, c := range chains {
		found[i].alive = pipe.Exists(ctx, AliveKey(c.ID))
		for j := range found[i].sizes {
			found[i].sizes[j] = pipe.StrLen(ctx, openKey(c.ID, j))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return readErr(err)
	}
	for i, c := range chains {
		for j := range found[i].sizes {
			if found[i].sizes[j].Val() == 0 {
				continue
			}
			if err := d.takeList(ctx, openKey(c.ID, j), found[i].alive.Val() == 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeLists takes what is in the lists of a chain that nobody writes any more.
func (d *redisDriver) takeLists(ctx context.Context, chain string) error {
	for j := range 2 {
		if err := d.takeList(ctx, openKey(chain, j), true); err != nil {
			return err
		}
	}
	return nil
}

// takeList puts what is in a list into Doubt: all of it, and then deletes the
// list, or what has been there for long. Most of it has an outcome by now: who
// reads Doubt looks at that.
func (d *redisDriver) takeList(ctx context.Context, key string, all bool) error {
	text, err := d.side.Get(ctx, key).Bytes()
	if err == redis.Nil {
		return nil
	}
	if err != nil {
		return readErr(err)
	}
	before := time.Now().Add(-takeAfter).UnixMilli()
	var adds []Command
	for _, it := range openItems(text) {
		if all || it.Score < before {
			adds = append(adds, Command{Kind: QueueAdd, Queue: Doubt, Member: it.Member, Score: it.Score})
		}
	}
	for page := range slices.Chunk(adds, rebuildPage) {
		if err := applyAll(ctx, d, page); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	return readErr(takenScript.Run(ctx, d.side, []string{key}, text).Err())
}

// openItems reads a list, as far as it can be read.
func openItems(text []byte) (items []Item) {
	for line := range bytes.Lines(text) {
		score, member, ok := bytes.Cut(line, []byte(" "))
		member, whole := bytes.CutSuffix(member, []byte("\n"))
		at, err := strconv.ParseInt(string(score), 10, 64)
		if ok && whole && err == nil && at >= 0 && at <= Waiting && len(member) > 0 {
			items = append(items, Item{string(member), at})
		}
	}
	return items
}
