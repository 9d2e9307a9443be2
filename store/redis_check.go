package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Check asks each master for what durability depends on.
func (d *redisDriver) Check(ctx context.Context) (s Status, _ error) {
	s = Status{Kind: "redis", Mode: d.mode()}
	// Also of servers that cannot be reached, perhaps for that very reason.
	defer func() { s.CertificateExpires = d.shown.expires() }()
	var mu sync.Mutex
	var wrong []error
	one := func(ctx context.Context, c *redis.Client) error {
		n, err := d.checkNode(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		var setup *SetupError
		if errors.As(err, &setup) {
			wrong = append(wrong, err)
			return nil
		}
		if err != nil {
			return err
		}
		s.add(n)
		return nil
	}
	if err := d.eachMaster(ctx, one); err != nil {
		return s, d.checkErr(err)
	}
	if err := errors.Join(wrong...); err != nil {
		return s, err
	}
	if s.Nodes == 0 {
		return s, away(errors.New("no master found"))
	}
	return s, nil
}

func (d *redisDriver) mode() string {
	switch {
	case d.o.Cluster:
		return "cluster"
	case d.o.SentinelMaster != "":
		return "sentinel"
	}
	return "standalone"
}

// add takes a node's answer into the whole: the oldest version, the weakest
// fsync and the fewest replicas.
func (s *Status) add(n Status) {
	if s.Nodes == 0 || n.Replicas < s.Replicas {
		s.Replicas = n.Replicas
	}
	if s.Version == "" || older(n.Version, s.Version) {
		s.Version = n.Version
	}
	if s.Fsync == "" || weaker(n.Fsync, s.Fsync) {
		s.Fsync = n.Fsync
	}
	s.Nodes++
}

func weaker(a, b string) bool {
	order := []string{"no", "unknown", "everysec", "always"}
	rank := func(s string) int {
		for i, o := range order {
			if o == s {
				return i
			}
		}
		return 0
	}
	return rank(a) < rank(b)
}

// older compares versions as their numbers.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		// A part that is no number counts as 0.
		an, _ := strconv.Atoi(as[i])
		bn, _ := strconv.Atoi(bs[i])
		if an != bn {
			return an < bn
		}
	}
	return len(as) < len(bs)
}

// checkErr says what is to be done about a server that refuses us.
func (d *redisDriver) checkErr(err error) error {
	node := strings.Join(d.o.Addresses, ",")
	for _, prefix := range []string{"WRONGPASS", "NOAUTH", "AUTH", "invalid password"} {
		if redis.HasErrorPrefix(err, prefix) {
			return &SetupError{Node: node, Setting: "password", Got: "refused", Want: "the server's",
				Hint: "put the password of the Redis user into password_file, and its name into username"}
		}
	}
	if redis.HasErrorPrefix(err, "NOPERM") {
		return &SetupError{Node: node, Setting: "ACL of the user", Got: "too narrow",
			Want: "~* +@read +@write +@scripting +@connection -@dangerous +info +bgrewriteaof +bgsave",
			Hint: "ACL SETUSER with these rights; in a Cluster also +cluster; the last two are for the proof that a revoked token is gone"}
	}
	if strings.Contains(err.Error(), "cluster support disabled") {
		return &SetupError{Node: node, Setting: "cluster-enabled", Got: "no", Want: "yes",
			Hint: "leave out cluster: true, or give the address of a Cluster's node"}
	}
	return away(err)
}

// checkNode checks one server. INFO is enough for what is refused, so that no
// permission for CONFIG is needed.
func (d *redisDriver) checkNode(ctx context.Context, c *redis.Client) (Status, error) {
	node := c.Options().Addr
	text, err := c.Info(ctx).Result()
	if err != nil {
		return Status{}, err
	}
	info := parseInfo(text)
	s := Status{Version: info["redis_version"], Fsync: "unknown"}
	s.Replicas = onlineReplicas(info)
	var wrong []error
	require := func(ok bool, setting, got, want, hint string) {
		if !ok {
			wrong = append(wrong, &SetupError{Node: node, Setting: setting, Got: got, Want: want, Hint: hint})
		}
	}
	require(!older(s.Version, "7.0"), "version", s.Version, "7.0 or later", "upgrade the server")
	require(info["role"] == "master", "role", info["role"], "master",
		"give the address of the master, or name the Sentinels' master, so that a failover is followed")
	cluster := info["cluster_enabled"] == "1"
	require(cluster == d.o.Cluster, "cluster-enabled", yesNo(cluster), yesNo(d.o.Cluster),
		"write cluster: true under state.redis exactly if the server is part of a Cluster")
	if d.o.Replicated {
		require(s.Replicas > 0, "connected replicas", "0", "1 or more",
			"connect a replica to this server, or write durability: local")
	}
	if !d.o.AllowUnsafe {
		require(info["aof_enabled"] == "1", "appendonly", yesNo(info["aof_enabled"] == "1"), "yes",
			"CONFIG SET appendonly yes, and the same in redis.conf")
		require(info["maxmemory_policy"] == "noeviction", "maxmemory-policy", info["maxmemory_policy"], "noeviction",
			"CONFIG SET maxmemory-policy noeviction, and the same in redis.conf")
	}
	if err := errors.Join(wrong...); err != nil {
		return s, err
	}
	// Only shown; a managed server may not allow CONFIG.
	if v, err := c.ConfigGet(ctx, "appendfsync").Result(); err == nil && v["appendfsync"] != "" {
		s.Fsync = v["appendfsync"]
		if info["aof_enabled"] != "1" {
			s.Fsync = "no"
		}
	}
	return s, nil
}

// onlineReplicas counts the replicas that follow the server: not those that
// are still loading its data.
func onlineReplicas(info map[string]string) int {
	n := 0
	for name, value := range info {
		if number, ok := strings.CutPrefix(name, "slave"); ok && number != "" && strings.Contains(value, "state=online") {
			n++
		}
	}
	return n
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// parseInfo reads the lines name:value of INFO.
func parseInfo(text string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			m[name] = value
		}
	}
	return m
}

// String says it in one line, for logs and errors.
func (s Status) String() string {
	if s.Kind != "redis" {
		return s.Kind
	}
	return fmt.Sprintf("redis %s, %s, appendfsync %s", s.Version, s.Mode, s.Fsync)
}
