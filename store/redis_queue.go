package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// lanesOf gives how many lanes a queue has.
func (d *redisDriver) lanesOf(q Queue) int {
	if q == ChainList {
		return 1
	}
	return d.lanes
}

// DueBefore reads what is due in all lanes.
func (d *redisDriver) DueBefore(ctx context.Context, dest string, now int64, max int) ([]Item, error) {
	if max <= 0 {
		return nil, nil
	}
	pipe := d.side.Pipeline()
	by := &redis.ZRangeBy{Min: "0", Max: strconv.FormatInt(now, 10), Count: int64(max)}
	replies := make([]*redis.ZSliceCmd, d.lanes)
	for lane := range replies {
		replies[lane] = pipe.ZRangeByScoreWithScores(ctx, d.laneQueue(lane, Due, dest), by)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, readErr(err)
	}
	var items []Item
	for _, r := range replies {
		items = append(items, toItems(r.Val())...)
	}
	if d.lanes > 1 {
		slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(a.Score, b.Score) })
		items = items[:min(max, len(items))]
	}
	return items, nil
}

func toItems(zs []redis.Z) []Item {
	items := make([]Item, 0, len(zs))
	for _, z := range zs {
		items = append(items, Item{Member: fmt.Sprint(z.Member), Score: int64(z.Score)})
	}
	return items
}

// listCursor is where a page of a queue ends: in a lane, after a member at a
// score.
type listCursor struct {
	lane   int
	score  int64
	member string
	begun  bool
}

func (c listCursor) String() string {
	return strconv.Itoa(c.lane) + " " + strconv.FormatInt(c.score, 10) + " " + c.member
}

var errCursor = errors.New("store: malformed cursor")

func parseCursor(s string) (listCursor, error) {
	if s == "" {
		return listCursor{}, nil
	}
	lane, rest, _ := strings.Cut(s, " ")
	score, member, ok := strings.Cut(rest, " ")
	n, errLane := strconv.Atoi(lane)
	v, errScore := strconv.ParseInt(score, 10, 64)
	if !ok || errLane != nil || errScore != nil || n < 0 {
		return listCursor{}, errCursor
	}
	return listCursor{lane: n, score: v, member: member, begun: member != ""}, nil
}

// QueueList reads a page: one lane after another.
func (d *redisDriver) QueueList(ctx context.Context, q Queue, dest, cursor string, max int) ([]Item, string, error) {
	at, err := parseCursor(cursor)
	if err != nil || at.lane >= d.lanesOf(q) {
		return nil, "", errCursor
	}
	if max <= 0 {
		max = 100
	}
	if q == Doubt && cursor == "" {
		if err := d.takeOpen(ctx); err != nil {
			return nil, "", err
		}
	}
	items, err := d.page(ctx, d.laneQueue(at.lane, q, dest), at, max)
	if err != nil {
		return nil, "", err
	}
	if len(items) == max {
		last := items[max-1]
		return items, listCursor{lane: at.lane, score: last.Score, member: last.Member}.String(), nil
	}
	if at.lane+1 < d.lanesOf(q) {
		return items, listCursor{lane: at.lane + 1}.String(), nil
	}
	return items, "", nil
}

// page reads at most max members after a cursor. Members of one score are in
// order of their bytes, so those up to the cursor's are skipped.
func (d *redisDriver) page(ctx context.Context, key string, at listCursor, max int) ([]Item, error) {
	var items []Item
	by := &redis.ZRangeBy{Min: strconv.FormatInt(at.score, 10), Max: "+inf", Count: int64(max)}
	for len(items) < max {
		zs, err := d.side.ZRangeByScoreWithScores(ctx, key, by).Result()
		if err != nil {
			return nil, readErr(err)
		}
		for _, it := range toItems(zs) {
			if at.begun && it.Score == at.score && it.Member <= at.member {
				continue
			}
			items = append(items, it)
		}
		if len(zs) < max {
			break
		}
		by.Offset += int64(max)
	}
	return items[:min(max, len(items))], nil
}

// QueueStats counts all lanes of a queue.
func (d *redisDriver) QueueStats(ctx context.Context, q Queue, dest string) (QueueStats, error) {
	pipe := d.side.Pipeline()
	lanes := d.lanesOf(q)
	lens := make([]*redis.IntCmd, lanes)
	heads := make([]*redis.ZSliceCmd, lanes)
	for lane := range lanes {
		key := d.laneQueue(lane, q, dest)
		lens[lane] = pipe.ZCard(ctx, key)
		heads[lane] = pipe.ZRangeWithScores(ctx, key, 0, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return QueueStats{}, readErr(err)
	}
	var s QueueStats
	for lane := range lanes {
		s.Len += lens[lane].Val()
		for _, it := range toItems(heads[lane].Val()) {
			if s.Oldest == 0 || it.Score < s.Oldest {
				s.Oldest = it.Score
			}
		}
	}
	return s, nil
}

// Destinations lists those that ever had a leg.
func (d *redisDriver) Destinations(ctx context.Context) ([]string, error) {
	dests, err := d.side.SMembers(ctx, destsKey).Result()
	if err != nil {
		return nil, readErr(err)
	}
	slices.Sort(dests)
	return dests, nil
}

// ScanClaims walks the keys of all masters, one after another. The cursor is
// a master's place among their addresses, and that master's own cursor; when
// a failover changes them, claims may be missed: scan again then.
func (d *redisDriver) ScanClaims(ctx context.Context, cursor string, max int) ([]Ref, string, error) {
	keys, next, err := d.scan(ctx, "{r.*}:c.*", cursor, max)
	refs := make([]Ref, 0, len(keys))
	for _, k := range keys {
		if ref, ok := parseClaimKey(k); ok {
			refs = append(refs, ref)
		}
	}
	return refs, next, err
}

// ScanKeys walks the keys as ScanClaims does.
func (d *redisDriver) ScanKeys(ctx context.Context, prefix, cursor string, max int) ([]string, string, error) {
	return d.scan(ctx, globEscaper.Replace(prefix)+"*", cursor, max)
}

var globEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

func (d *redisDriver) scan(ctx context.Context, pattern, cursor string, max int) ([]string, string, error) {
	at, err := parseScan(cursor)
	if err != nil {
		return nil, "", err
	}
	masters, err := d.masters(ctx)
	if err != nil {
		return nil, "", err
	}
	if at.master >= len(masters) {
		return nil, "", errCursor
	}
	keys, next, err := masters[at.master].Scan(ctx, at.cursor, pattern, int64(max)).Result()
	if err != nil {
		return nil, "", readErr(err)
	}
	at.cursor = next
	if next == 0 {
		at.master++
	}
	if at.master >= len(masters) {
		return keys, "", nil
	}
	return keys, at.String(), nil
}

type scanCursor struct {
	master int
	cursor uint64
}

func (c scanCursor) String() string {
	return strconv.Itoa(c.master) + " " + strconv.FormatUint(c.cursor, 10)
}

func parseScan(s string) (scanCursor, error) {
	if s == "" {
		return scanCursor{}, nil
	}
	m, c, ok := strings.Cut(s, " ")
	master, errMaster := strconv.Atoi(m)
	n, errCur := strconv.ParseUint(c, 10, 64)
	if !ok || errMaster != nil || errCur != nil || master < 0 {
		return scanCursor{}, errCursor
	}
	return scanCursor{master, n}, nil
}

// eachMaster calls f with a client of each master, of a Cluster's several at
// once.
func (d *redisDriver) eachMaster(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error {
	if c, ok := d.side.(*redis.ClusterClient); ok {
		return c.ForEachMaster(ctx, f)
	}
	return f(ctx, d.side.(*redis.Client))
}

// masters gives a client for each master, in order of their addresses.
func (d *redisDriver) masters(ctx context.Context) ([]*redis.Client, error) {
	found := make(chan *redis.Client, 1024)
	err := d.eachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		found <- c
		return nil
	})
	if err != nil {
		return nil, away(err)
	}
	close(found)
	var all []*redis.Client
	for c := range found {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *redis.Client) int { return cmp.Compare(a.Options().Addr, b.Options().Addr) })
	return all, nil
}
