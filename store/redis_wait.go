package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// replicated marks, as a context's key, the pipelines that are acknowledged
// only once a replica has them.
type replicated struct{}

var errNotReplicated = errors.New("no replica has it yet")

// waiting has a client's marked pipelines wait for a replica, if that is asked
// for: on each node's own connection, since WAIT answers for what was written
// on that alone.
func (d *redisDriver) waiting(client redis.UniversalClient) {
	if !d.o.Replicated {
		return
	}
	hook := waitHook{d.replicaTimeout().Milliseconds()}
	if c, ok := client.(*redis.ClusterClient); ok {
		c.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
		return
	}
	client.AddHook(hook)
}

// replicaTimeout is how long a replica is waited for.
func (d *redisDriver) replicaTimeout() time.Duration {
	if d.o.ReplicaTimeout > 0 {
		return d.o.ReplicaTimeout
	}
	return min(time.Second, orDuration(d.o.Timeout, defaultTimeout)/2)
}

// waitHook adds to each pipeline to a node a mark and a WAIT. The mark is a
// write that always reaches the replicas: a batch that is sent again finds
// itself done and writes nothing, and a WAIT after it would answer for what
// the connection wrote before.
type waitHook struct{ timeout int64 }

// markLife is how long a mark stays, in milliseconds.
const markLife = "1000"

// DialHook is that of redis.Hook.
func (waitHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook is that of redis.Hook.
func (waitHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook is that of redis.Hook.
func (h waitHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if ctx.Value(replicated{}) == nil {
			return next(ctx, cmds)
		}
		tags := writtenTags(cmds)
		if len(tags) == 0 {
			return next(ctx, cmds) // nothing that a replica would get
		}
		all := make([]redis.Cmder, 0, len(cmds)+2*len(tags)+1)
		all = append(all, cmds...)
		asking := cmds[0].Name() == "asking"
		var marks []*redis.StatusCmd
		for _, tag := range tags {
			if asking {
				all = append(all, redis.NewStatusCmd(ctx, "asking"))
			}
			mark := redis.NewStatusCmd(ctx, "set", "{"+tag+"}:w", "", "px", markLife)
			marks = append(marks, mark)
			all = append(all, mark)
		}
		wait := redis.NewIntCmd(ctx, "wait", "1", h.timeout)
		err := next(ctx, append(all, wait))
		if wait.Err() == nil && wait.Val() >= 1 && anyDone(marks) {
			return err
		}
		for _, c := range cmds {
			if err := c.Err(); err == nil || errors.Is(err, redis.Nil) {
				c.SetErr(errNotReplicated)
			}
		}
		return err
	}
}

// anyDone tells whether one of the marks was written. It comes after all else
// in the connection's stream, so one is enough.
func anyDone(marks []*redis.StatusCmd) bool {
	for _, m := range marks {
		if m.Err() == nil {
			return true
		}
	}
	return false
}

// writtenTags gives hash tags for the marks: of the first and of the last key
// that is written. They are mostly two slots, of which a migration moves one at
// a time.
func writtenTags(cmds []redis.Cmder) []string {
	first, last := "", ""
	for _, c := range cmds {
		if key := writtenKey(c); key != "" {
			if last = tagOf(key); first == "" {
				first = last
			}
		}
	}
	switch {
	case first == "":
		return nil
	case first == last:
		return []string{first}
	}
	return []string{first, last}
}

// writtenKey gives the key that a command writes; empty if it reads, or is one
// that prepares a connection.
func writtenKey(c redis.Cmder) string {
	at := 1
	switch c.Name() {
	case "set", "xadd", "del", "incrby", "pexpire", "persist", "zadd", "zrem", "sadd", "append":
	case "evalsha", "eval":
		at = 3
	default:
		return ""
	}
	args := c.Args()
	if len(args) <= at {
		return ""
	}
	switch key := args[at].(type) {
	case *string:
		return *key
	case string:
		return key
	}
	return ""
}

// tagOf gives what decides a key's slot.
func tagOf(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return tag
		}
	}
	return key
}
