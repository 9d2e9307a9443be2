package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"
	bolt "go.etcd.io/bbolt"
)

// removeScript: KEYS log; ARGV the newest record's id. It gives the newest
// record's id if that is another one, else nothing.
var removeScript = newScript(`
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not newest then return '' end
if newest[1] ~= ARGV[1] then return newest[1] end
redis.call('DEL', KEYS[1])
return ''`)

// LogRemove removes a chain.
func (d *redisDriver) LogRemove(ctx context.Context, chain string, last uint64) error {
	// Once it is not among the chains nobody looks for its lists.
	if err := d.takeLists(ctx, chain); err != nil {
		return err
	}
	newest, err := removeScript.Run(ctx, d.side, []string{logKey(chain)}, strconv.FormatUint(last, 10)+"-0").Text()
	if err != nil {
		return readErr(err)
	}
	if newest != "" {
		r, err := toRecords(chain, []redis.XMessage{{ID: newest}})
		if err != nil {
			return err
		}
		return &GapError{Chain: chain, Want: last, Last: r[0].Seq}
	}
	d.forget(chain)
	return nil
}

// LogRemove removes a chain.
func (d *fileDriver) LogRemove(ctx context.Context, chain string, last uint64) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.settle(ctx); err != nil {
		return d.done(err)
	}
	return d.done(d.db.Update(func(tx *bolt.Tx) error {
		b := newBasis(tx)
		if b.log.Bucket([]byte(chain)) == nil {
			return nil
		}
		if newest, ok := b.newest(chain); ok && newest.Seq != last {
			return &GapError{Chain: chain, Want: last, Last: newest.Seq}
		}
		return b.log.DeleteBucket([]byte(chain))
	}))
}
