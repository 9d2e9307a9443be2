package main

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

func TestRewrite(t *testing.T) {
	r := &rig{dir: t.TempDir()}
	t.Cleanup(r.children.stop)
	if err := r.startRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+r.redisPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := redisConn{conn, bufio.NewReader(conn)}
	for key, size := range map[string]int{"register": 5000, peerLog: 9000} {
		if got, err := c.ask("SET " + key + " " + strings.Repeat("v", size)); err != nil || got != "+OK" {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	if _, err := c.ask("NONSENSE"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("%v", err)
	}
	w, err := r.rewrite(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	// The register is in it, uncompressed; the peer's log is not.
	if w.Requests != 7 || w.CPU < 0 || w.File < 0.005 || w.File >= 0.009 {
		t.Errorf("%+v", w)
	}
	if got, err := c.ask("EXISTS " + peerLog); err != nil || got != ":0" {
		t.Errorf("%q, %v", got, err)
	}
}
