package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Which servers are the masters, and with whose data, is their generation: the
// run id and the replication id of each, and where it has taken over the data of
// another master, that one's replication id. A server that was restarted has
// another run id, one that was made the master another replication id. Batches
// travel only on connections whose server was asked for all of it as the
// connection was made: whoever is not of the generation that the batch's writer
// knows gets nothing, and the writer is told (ErrFailover).

// Generation asks all masters who they are.
func (d *redisDriver) Generation(ctx context.Context) (string, error) {
	var mu sync.Mutex
	var ids []string
	one := func(ctx context.Context, c *redis.Client) error {
		id, err := identity(ctx, c)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
		return nil
	}
	if err := d.eachMaster(ctx, one); err != nil {
		return "", readErr(err)
	}
	if len(ids) == 0 {
		return "", away(errors.New("no master found"))
	}
	slices.Sort(ids)
	return strings.Join(ids, " "), nil
}

var (
	errNotMaster = errors.New("the server is a replica")
	errSentinel  = errors.New("the server is a Sentinel")
)

// identity names a master. INFO with several sections is from version 7.0 on,
// which is asked for.
func identity(ctx context.Context, c interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}) (string, error) {
	text, err := c.Info(ctx, "server", "replication").Result()
	if err != nil {
		return "", err
	}
	info := parseInfo(text)
	switch {
	case info["redis_mode"] == "sentinel":
		return "", errSentinel
	case info["role"] != "master":
		return "", errNotMaster
	}
	id := info["run_id"] + "/" + info["master_replid"]
	if former := info["master_replid2"]; strings.Trim(former, "0") != "" {
		id += "/" + former
	}
	return id, nil
}

// losesSome tells whether the masters of one generation may have lost something
// by the time of another: whether one of them was replaced or restarted, took the
// data of another server, or is gone. Not so where others joined, which had
// nothing to lose; nor where one has given itself another replication id, with
// nobody's behind it: as it does when it gets its first replica, and when it has
// had none for as long as it kept what to send to one. What it holds stays as it
// is.
func losesSome(before, after string) bool {
	now := make(map[string]bool)
	own := make(map[string]bool) // run ids of those whose data was always their own
	for _, id := range strings.Fields(after) {
		now[id] = true
		if run, ids, ok := strings.Cut(id, "/"); ok && !strings.Contains(ids, "/") {
			own[run] = true
		}
	}
	for _, id := range strings.Fields(before) {
		if run, _, _ := strings.Cut(id, "/"); !now[id] && !own[run] {
			return true
		}
	}
	return false
}

// adopt makes the masters of a generation those to which batches go.
func (d *redisDriver) adopt(generation string) error {
	d.mu.Lock()
	if d.generation == generation && d.line != nil {
		d.mu.Unlock()
		return nil
	}
	old := d.line
	d.generation = generation
	d.masterIDs = make(map[string]bool)
	for _, id := range strings.Fields(generation) {
		d.masterIDs[id] = true
	}
	d.mu.Unlock()
	return d.dial(old)
}

// dial replaces the line for batches, whose connections were made when others
// were the masters.
func (d *redisDriver) dial(old carrier) error {
	line, err := d.newLine()
	if err != nil {
		return away(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		_ = line.close() // has no connection yet
		return ErrClosed
	case d.line != old:
		_ = line.close() // somebody else was first
		return nil
	}
	d.line = line
	if old != nil {
		_ = old.close() // its connections are of no use whatever it says
	}
	return nil
}

// newLine makes what takes batches to the masters; it has no connection yet.
func (d *redisDriver) newLine() (carrier, error) {
	if like, ok := d.side.(*redis.Client); ok {
		return newWire(like, d.replicaTimeout(), d.meet), nil
	}
	uo, err := d.o.universal()
	if err != nil {
		return nil, err
	}
	// One connection for batches: there is one in flight. The second is for
	// the moment in which a broken one is replaced.
	uo.PoolSize, uo.PipelinePoolSize = 2, 2
	uo.OnConnect = d.meet
	client := redis.NewUniversalClient(uo)
	d.waiting(client)
	return pipeline{client}, nil
}

// meet refuses a new connection for batches unless it is to a master of the
// generation.
func (d *redisDriver) meet(ctx context.Context, cn *redis.Conn) error {
	id, err := identity(ctx, cn)
	if err == errSentinel && d.o.SentinelMaster != "" {
		return nil // it is asked where the master is
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	known := d.masterIDs[id]
	d.mu.Unlock()
	if known {
		return nil
	}
	if d.o.Cluster && emptyNode(ctx, cn) {
		// A node that joined, on its way to its first slot: it had nothing to
		// lose.
		d.mu.Lock()
		d.masterIDs[id] = true
		d.mu.Unlock()
		return nil
	}
	return ErrFailover
}

// emptyNode tells whether a Cluster's node holds no slot, by its own word.
func emptyNode(ctx context.Context, cn *redis.Conn) bool {
	nodes, err := cn.ClusterNodes(ctx).Result()
	if err != nil {
		return false
	}
	for line := range strings.Lines(nodes) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !strings.Contains(fields[2], "myself") {
			continue
		}
		for _, f := range fields[8:] {
			if !strings.HasPrefix(f, "[") { // a slot that it imports or gives away
				return false
			}
		}
		return true
	}
	return false
}
