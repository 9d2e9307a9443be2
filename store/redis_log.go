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

// rangeStep bounds the stream entries that one read asks for, of packBytes each
// at most or of one record.
const rangeStep = 128

// LogRange reads a stretch of a chain.
func (d *redisDriver) LogRange(ctx context.Context, chain string, from uint64, max int) ([]LogRecord, error) {
	var recs []LogRecord
	for at := from; len(recs) < max; {
		step := min(max-len(recs), rangeStep)
		msgs, err := d.side.XRangeN(ctx, logKey(chain), strconv.FormatUint(at, 10)+"-0", "+", int64(step)).Result()
		if err != nil {
			return nil, readErr(err)
		}
		read, err := toRecords(chain, msgs)
		if err != nil {
			return nil, err
		}
		for i := range read {
			if read[i].Seq >= from && len(recs) < max {
				recs = append(recs, read[i])
			}
		}
		if len(msgs) < step {
			break
		}
		at = read[len(read)-1].Seq + 1
	}
	return recs, nil
}

// LogLast reads the newest record of a chain, from the newest entry of its
// stream.
func (d *redisDriver) LogLast(ctx context.Context, chain string) (LogRecord, bool, error) {
	msgs, err := d.side.XRevRangeN(ctx, logKey(chain), "+", "-", 1).Result()
	if err != nil {
		return LogRecord{}, false, readErr(err)
	}
	recs, err := toRecords(chain, msgs)
	if err != nil || len(recs) == 0 {
		return LogRecord{}, false, err
	}
	return recs[len(recs)-1], true, nil
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
		text := func(field string) []byte {
			v, _ := m.Values[field].(string) // another type is as good as none
			return []byte(v)
		}
		recs = unpack(recs, seq, text("e"), text("h"), text("l"))
	}
	return recs, nil
}

// LogTrim removes the oldest records, a stream entry at a time.
func (d *redisDriver) LogTrim(ctx context.Context, chain string, before uint64) error {
	last, ok, err := d.LogLast(ctx, chain)
	if err != nil || !ok {
		return err
	}
	// An empty stream could not tell a trimmed chain from a lost one.
	id := strconv.FormatUint(min(before, last.Seq), 10) + "-0"
	return readErr(d.side.XTrimMinID(ctx, logKey(chain), id).Err())
}
