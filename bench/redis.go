package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// redisArgs set up the bench's Redis as docs/redis.md advises. Left to itself it
// would rewrite its file whenever that has doubled: on a new one at 64 MB, at
// 128, at 256, each time for some seconds on a core of its own, in whichever
// turns that falls. Here a rewrite is measured by itself, see rewrite.
func redisArgs(port string) []string {
	return []string{
		"--bind", "127.0.0.1", "--port", port, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--rdbcompression", "no",
		"--maxmemory-policy", "noeviction", "--auto-aof-rewrite-percentage", "0",
	}
}

// peerLog is where nginx-lua-redis appends (peers/edits.lua).
const peerLog = "peer:log"

// startRedis starts a private Redis once.
func (r *rig) startRedis(ctx context.Context) error {
	if r.redis != nil {
		return nil
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	_, r.redisPort, _ = strings.Cut(address, ":")
	if r.redis, err = r.launch(ctx, "redis", "redis-server", dials(address), redisArgs(r.redisPort)...); err != nil {
		return fmt.Errorf("%w (Debian: apt-get install redis-server)", err)
	}
	return nil
}

// rewriting is what one rewrite of Redis's file took.
type rewriting struct {
	Requests int     `json:"requests"` // whose records were in Redis
	CPU      float64 `json:"cpu_s"`    // of the process that writes it
	File     float64 `json:"file_mb"`  // that it wrote
}

// each is microseconds per request. Redis rewrites a file that has doubled, so
// that this is what each request costs it in the long run, beside its own time.
func (w rewriting) each() float64 { return w.CPU * 1e6 / float64(w.Requests) }

// rewrite has Redis rewrite its file, in which are the records of some requests
// to Chaperone; what a peer wrote is taken out.
func (r *rig) rewrite(ctx context.Context, requests int) (*rewriting, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+r.redisPort)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := redisConn{conn, bufio.NewReader(conn)}
	if _, err := c.ask("DEL " + peerLog); err != nil {
		return nil, err
	}
	before, err := c.numbers("cpu")
	if err != nil {
		return nil, err
	}
	if _, err := c.ask("BGREWRITEAOF"); err != nil {
		return nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := c.numbers("persistence")
		if err != nil {
			return nil, err
		}
		if now["aof_rewrite_in_progress"]+now["aof_rewrite_scheduled"] == 0 {
			after, err := c.numbers("cpu")
			cpu := func(m map[string]float64) float64 { return m["used_cpu_user_children"] + m["used_cpu_sys_children"] }
			return &rewriting{requests, cpu(after) - cpu(before), now["aof_base_size"] / 1e6}, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// redisConn asks Redis what it says of itself.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

// ask sends a command of one line, and gives the text of the reply.
func (c redisConn) ask(command string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	line = strings.TrimSuffix(line, "\r\n")
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "-"):
		return "", errors.New("redis: " + line[1:])
	case !strings.HasPrefix(line, "$"):
		return line, nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 {
		return "", fmt.Errorf("redis: a text of %q bytes", line[1:])
	}
	text := make([]byte, n+2)
	_, err = io.ReadFull(c.in, text)
	return string(text[:n]), err
}

// numbers are the figures of a section of INFO.
func (c redisConn) numbers(section string) (map[string]float64, error) {
	text, err := c.ask("INFO " + section)
	figures := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			figures[name] = v
		}
	}
	return figures, err
}
