// Package redistest starts private Redis servers for tests: each on a free
// loopback port and a unix socket, in a directory of its own, with AOF. They
// can be killed, restarted, paused and made read-only, and end with the test.
//
// A missing redis-server fails the test: what a store promises is not proved
// by leaving its tests out.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func init() { redis.SetLogger(silent{}) }

// silent keeps go-redis's failed dials out of the test's output.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// readyWithin bounds how long a server may take to answer after its start.
const readyWithin = time.Minute

// Options set up a server. The zero value is a master with AOF, synced every
// second.
type Options struct {
	// Fsync is appendfsync: always, everysec (default) or no.
	Fsync string
	// NoAOF leaves AOF off.
	NoAOF bool
	// Password, if set, is what clients must give.
	Password string
	// MaxMemory in bytes; 0 means no limit. Policy is maxmemory-policy,
	// noeviction by default.
	MaxMemory int64
	Policy    string
	// Cluster starts the server in cluster mode, without slots.
	Cluster bool
	// TLSCert, TLSKey and TLSCA are files; with them Addr takes TLS alone, and
	// asks clients for a certificate of that CA.
	TLSCert, TLSKey, TLSCA string
	// Args are appended to the command line.
	Args []string
}

// Server is one redis-server process. Its methods are for one goroutine.
type Server struct {
	Addr   string // 127.0.0.1:port
	Socket string // path of its unix socket
	Dir    string // where its files are

	o        Options
	sentinel string // the configuration of a Sentinel; empty: a server
	port     int
	cmd      *exec.Cmd
	exited   chan struct{}
	log      *bytes.Buffer
	client   *redis.Client
	master   *Server // of ReplicaOf; nil: none
}

// Start starts a server, waits until it answers and stops it at the test's
// end.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Launch(o)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Launch is Start without a test. The caller calls Close.
func Launch(o Options) (*Server, error) { return launch(o, "") }

// launch starts a server, or with a configuration a Sentinel.
func launch(o Options, sentinel string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errors.New("redis-server is not on the PATH: install redis (Debian: apt-get install redis-server)")
	}
	// Not a test's own directory: its name may be too long for a socket.
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, err
	}
	var last error
	// Another process may take a free port before the server does.
	for range 5 {
		s := &Server{o: o, Dir: dir, Socket: filepath.Join(dir, "s"), sentinel: sentinel}
		if s.port, last = freePort(o.Cluster); last != nil {
			break
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
		if last = s.run(); last == nil {
			return s, nil
		}
		s.stopClient()
	}
	return nil, errors.Join(last, os.RemoveAll(dir))
}

// The ports of servers: below those that systems give to outgoing connections,
// one of which could otherwise take the port of a server that is down for a
// moment. The tests of whole processes keep clear of them, and of those 10,000
// above: see FreePort of cmd/chaperone/e2e/rig.
const firstPort, lastPort = 10000, 14999

var given sync.Map // the ports of the servers of this process, down ones too

// freePort finds a loopback port that nobody listens on; in a cluster the
// port 10,000 above must be one as well.
func freePort(cluster bool) (int, error) {
	free := func(port int) bool {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil && l.Close() == nil
	}
	for range 200 {
		port := firstPort + rand.N(lastPort-firstPort)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if free(port) && (!cluster || free(port+10000)) {
			return port, nil
		}
		given.Delete(port)
	}
	return 0, errors.New("no free port found")
}

// args gives the command line. A Sentinel rewrites its configuration, so that
// is in a file.
func (s *Server) args() ([]string, error) {
	if s.sentinel != "" {
		conf := filepath.Join(s.Dir, "sentinel.conf")
		lines := fmt.Sprintf("bind 127.0.0.1\nport %d\nunixsocket %s\ndir %s\n%s", s.port, s.Socket, s.Dir, s.sentinel)
		return []string{conf, "--sentinel"}, os.WriteFile(conf, []byte(lines), 0o600)
	}
	o := s.o
	if o.Fsync == "" {
		o.Fsync = "everysec"
	}
	if o.Policy == "" {
		o.Policy = "noeviction"
	}
	aof := "yes"
	if o.NoAOF {
		aof = "no"
	}
	a := []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--unixsocket", s.Socket,
		"--dir", s.Dir, "--save", "", "--appendonly", aof, "--appendfsync", o.Fsync,
		"--maxmemory", strconv.FormatInt(o.MaxMemory, 10), "--maxmemory-policy", o.Policy,
		"--repl-diskless-sync-delay", "0", "--enable-debug-command", "local",
	}
	if o.Password != "" {
		a = append(a, "--requirepass", o.Password, "--masterauth", o.Password)
	}
	if o.Cluster {
		a = append(a, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
	}
	if o.TLSCert != "" {
		a = append(a, "--port", "0", "--tls-port", strconv.Itoa(s.port),
			"--tls-cert-file", o.TLSCert, "--tls-key-file", o.TLSKey, "--tls-ca-cert-file", o.TLSCA)
		if o.Cluster {
			a = append(a, "--tls-cluster", "yes")
		}
	}
	return append(a, o.Args...), nil
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	args, err := s.args()
	if err != nil {
		return err
	}
	s.log = new(bytes.Buffer)
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	dieWithUs(s.cmd)
	started, exited := make(chan error), make(chan struct{})
	s.exited = exited
	go func(c *exec.Cmd) {
		// The server dies with the thread that started it, which therefore
		// lives as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait() // a killed server's exit code says nothing
		}
	}(s.cmd)
	if err := <-started; err != nil {
		s.cmd = nil
		return err
	}
	s.stopClient()
	s.client = redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.Socket, Password: s.o.Password, MaxRetries: -1, DialerRetries: 1,
	})
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("redis-server ended: %s", lastLine(s.log.String()))
		case <-ctx.Done():
			s.Kill()
			return fmt.Errorf("redis-server does not answer: %w", err)
		case <-tick.C:
		}
	}
}

func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

// Client gives a client of the server, over its unix socket, that lives until
// the server is stopped or restarted.
func (s *Server) Client() *redis.Client { return s.client }

// Do runs one command and gives its reply as text. It is for set-up: an error
// fails nothing by itself.
func (s *Server) Do(args ...any) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	v, err := s.client.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return fmt.Sprint(v), err
}

// Kill ends the server with SIGKILL: what it had not written yet is lost.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server in good order.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(sig syscall.Signal) {
	s.stopClient()
	if s.cmd == nil {
		return
	}
	// A paused process takes no SIGTERM before it goes on; errors mean that it
	// has ended already.
	_ = s.cmd.Process.Signal(sig)
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-s.exited:
	case <-time.After(readyWithin):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
}

// Restart starts a stopped or killed server again, on the same port and
// files.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if s.cmd != nil {
		s.Stop()
	}
	// Somebody's connection may have its port at the moment.
	until(t, "the server to start again", func() bool {
		err := s.run()
		if err != nil {
			t.Logf("redistest: restart: %v", err)
		}
		return err == nil
	})
}

// Pause stops the process where it is (SIGSTOP): connections stay, nothing is
// answered. Resume lets it go on.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume undoes Pause.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("redistest: %v: %v", sig, err)
	}
}

// ReplicaOf makes the server a read-only replica of another; nil makes it a
// master again.
func (s *Server) ReplicaOf(t testing.TB, master *Server) {
	t.Helper()
	args := []any{"REPLICAOF", "NO", "ONE"}
	if master != nil {
		args = []any{"REPLICAOF", "127.0.0.1", strconv.Itoa(master.port)}
	}
	if _, err := s.Do(args...); err != nil {
		t.Fatalf("redistest: replicaof: %v", err)
	}
	s.master = master
}

// InStep waits until a replica has all that its master had.
func (s *Server) InStep(t testing.TB) {
	t.Helper()
	until(t, "the replica to catch up", func() bool {
		info, err := s.Do("INFO", "replication")
		if err != nil || !strings.Contains(info, "master_link_status:up") {
			return false
		}
		if s.master == nil {
			return true
		}
		// The master counts a replica only once it has heard of it again.
		info, err = s.master.Do("INFO", "replication")
		return err == nil && strings.Contains(info, "port="+strconv.Itoa(s.port)+",state=online")
	})
}

// Cut takes the last n bytes from the append-only file of a stopped server, as
// a loss of power may.
func (s *Server) Cut(t testing.TB, n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		t.Fatalf("redistest: no append-only file: %v", err)
	}
	last := files[len(files)-1]
	info, err := os.Stat(last)
	if err == nil {
		err = os.Truncate(last, max(0, info.Size()-n))
	}
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
}

// ConfigSet changes a setting of the running server.
func (s *Server) ConfigSet(t testing.TB, name, value string) {
	t.Helper()
	if _, err := s.Do("CONFIG", "SET", name, value); err != nil {
		t.Fatalf("redistest: config set %s: %v", name, err)
	}
}

// PID gives the process id of the running server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Close stops the server and removes its files.
func (s *Server) Close() {
	s.Kill()
	given.Delete(s.port)
	_ = os.RemoveAll(s.Dir) // best effort, in the system's temporary directory
}

func (s *Server) stopClient() {
	if s.client != nil {
		_ = s.client.Close() // only idle connections are left
		s.client = nil
	}
}
