package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Chains lists the chains, oldest first.
func (d *redisDriver) Chains(ctx context.Context) ([]Chain, error) {
	zs, err := d.side.ZRangeWithScores(ctx, chainsKey, 0, -1).Result()
	if err != nil {
		return nil, readErr(err)
	}
	chains := make([]Chain, 0, len(zs))
	for _, z := range zs {
		chains = append(chains, Chain{ID: fmt.Sprint(z.Member), Start: time.UnixMilli(int64(z.Score))})
	}
	return chains, nil
}

// LogRange reads a stretch of a chain.
func (d *redisDriver) LogRange(ctx context.Context, chain string, from uint64, max int) ([]LogRecord, error) {
	if max <= 0 {
		return nil, nil
	}
	id := strconv.FormatUint(from, 10) + "-0"
	msgs, err := d.side.XRangeN(ctx, logKey(chain), id, "+", int64(max)).Result()
	if err != nil {
		return nil, readErr(err)
	}
	return toRecords(chain, msgs)
}

// LogLast reads the newest record of a chain.
func (d *redisDriver) LogLast(ctx context.Context, chain string) (LogRecord, bool, error) {
	msgs, err := d.side.XRevRangeN(ctx, logKey(chain), "+", "-", 1).Result()
	if err != nil {
		return LogRecord{}, false, readErr(err)
	}
	recs, err := toRecords(chain, msgs)
	if err != nil || len(recs) == 0 {
		return LogRecord{}, false, err
	}
	return recs[0], true, nil
}

// toRecords reads stream messages. What was edited is passed on as far as it
// can be: finding that is the part of who verifies.
func toRecords(chain string, msgs []redis.XMessage) ([]LogRecord, error) {
	recs := make([]LogRecord, 0, len(msgs))
	for _, m := range msgs {
		number, _, _ := strings.Cut(m.ID, "-")
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("store: chain %s: malformed record id", chain)
		}
		r := LogRecord{Seq: seq}
		if e, ok := m.Values["e"].(string); ok {
			r.Entry = []byte(e)
		}
		if h, ok := m.Values["h"].(string); ok {
			copy(r.Hash[:], h)
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// LogTrim removes the oldest records.
func (d *redisDriver) LogTrim(ctx context.Context, chain string, before uint64) error {
	last, ok, err := d.LogLast(ctx, chain)
	if err != nil || !ok {
		return err
	}
	// An empty stream could not tell a trimmed chain from a lost one.
	id := strconv.FormatUint(min(before, last.Seq), 10) + "-0"
	return readErr(d.side.XTrimMinID(ctx, logKey(chain), id).Err())
}
