package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// scrubPoll is how often a server is asked whether it is done.
const scrubPoll = 50 * time.Millisecond

// Scrub lets every master write its append-only file and its snapshot anew, so
// that neither holds what was deleted, and waits for it. The user needs the
// rights +bgrewriteaof and +bgsave; without them the error is a *SetupError.
// Replicas have files of their own, which each of them has to rewrite.
func (d *redisDriver) Scrub(ctx context.Context) (s Scrubbed, err error) {
	var mu sync.Mutex
	one := func(ctx context.Context, c *redis.Client) error {
		replicas, err := scrubNode(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			s.Nodes++
			s.Replicas += replicas
		}
		return err
	}
	err = d.eachMaster(ctx, one)
	switch {
	case err == nil:
		return s, nil
	case redis.HasErrorPrefix(err, "NOPERM"):
		return s, &SetupError{Node: strings.Join(d.o.Addresses, ","), Setting: "ACL of the user", Got: "without them",
			Want: "+bgrewriteaof +bgsave", Hint: "run BGREWRITEAOF and BGSAVE on every node yourself, or give the user these rights"}
	}
	return s, readErr(err)
}

// scrubNode rewrites both files of one server. They cannot be written at the
// same time, and another rewrite may be in progress, which does not count: it
// may have begun before the deletion.
func scrubNode(ctx context.Context, c *redis.Client) (replicas int, err error) {
	info, err := scrubIdle(ctx, c)
	if err != nil {
		return 0, err
	}
	replicas, _ = strconv.Atoi(info["connected_slaves"]) // absent: 0
	if info["aof_enabled"] == "1" {
		if err := scrubRun(ctx, c, "bgrewriteaof", "aof_last_bgrewrite_status"); err != nil {
			return 0, err
		}
	}
	return replicas, scrubRun(ctx, c, "bgsave", "rdb_last_bgsave_status")
}

// scrubRun starts one of the two and waits for its end.
func scrubRun(ctx context.Context, c *redis.Client, command, status string) error {
	for {
		err := c.Do(ctx, command).Err()
		if err == nil {
			break
		}
		// A save of its own may have begun just now.
		if !strings.Contains(err.Error(), "in progress") && !strings.Contains(err.Error(), "can't BGSAVE") {
			return err
		}
		if _, err := scrubIdle(ctx, c); err != nil {
			return err
		}
	}
	info, err := scrubIdle(ctx, c)
	if err == nil && info[status] != "ok" {
		err = fmt.Errorf("%s: %w", command, errScrub)
	}
	return err
}

var errScrub = errors.New("store: the server could not rewrite its file")

// scrubIdle waits until the server rewrites nothing, and gives its INFO.
func scrubIdle(ctx context.Context, c *redis.Client) (map[string]string, error) {
	tick := time.NewTicker(scrubPoll)
	defer tick.Stop()
	for {
		text, err := c.Info(ctx).Result()
		if err != nil {
			return nil, err
		}
		info := parseInfo(text)
		if info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0" && info["rdb_bgsave_in_progress"] == "0" {
			return info, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
