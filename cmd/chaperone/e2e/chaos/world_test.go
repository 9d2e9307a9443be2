package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
	"chaperone/store/redistest"
	"chaperone/vault/keys"
)

// world is everything that a run is made of.
type world struct {
	t      *testing.T
	dir    string
	seed   uint64
	rng    *rand.Rand // of the faults: the test's goroutine alone
	books  *books
	pos    *pos
	routes []*route

	receivers map[string]*receiver
	links     map[string]*relay // to the receivers, by name
	proxies   []*node
	redis     *redisNode // nil: the embedded store
	disks     []*disk
	injected  map[string]int
	skipped   map[string]bool
	resolved  map[string]int // by the operator, by what was found
}

// node is one proxy, on a folder of its own.
type node struct {
	name   string
	dir    string // of its configuration
	data   string
	url    string
	admin  string
	link   *relay // to Redis; nil: none
	output *rig.Output
	run    *rig.Process // nil: it is down
	// stopping says that it was asked to end.
	stopping bool
}

// redisNode is the Redis that the proxies share.
type redisNode struct {
	*redistest.Server
	addr string // its TCP port, behind the links
}

// disk is a folder that can be full.
type disk struct {
	name, path string
	*rig.Disk  // nil: it cannot
}

// receiverNames are the destinations. The processor, the till and the wallet
// charge; the till alone does not know a repeat by its key, and the wallet sees
// no security code.
var receiverNames = []string{"processor", "till", "wallet", "record", "ledger"}

// newWorld builds everything but the proxies' processes.
func newWorld(t *testing.T, seed uint64, proxies int, onRedis bool) *world {
	dir, err := os.MkdirTemp("", "chaperone-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, dir: dir, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), books: newBooks(), routes: routes(),
		receivers: map[string]*receiver{}, links: map[string]*relay{}, injected: map[string]int{}, skipped: map[string]bool{}, resolved: map[string]int{},
	}
	t.Cleanup(w.clear)
	at := map[string]string{}
	for _, name := range receiverNames {
		r := newReceiver(name, name != "till", w.books, seed)
		t.Cleanup(r.Close)
		w.receivers[name] = r
		w.links[name] = w.relay(strings.TrimPrefix(r.URL, "http://"))
		at[name] = w.links[name].addr
	}
	if onRedis {
		w.startRedis()
	}
	var urls []string
	for n := range proxies {
		w.install(n, at)
		urls = append(urls, w.proxies[n].url)
	}
	w.pos = newPOS(urls, w.books)
	return w
}

func (w *world) port() string {
	at, err := rig.FreePort()
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *world) relay(target string) *relay {
	// Somebody else's process may take a port just then.
	for range 10 {
		if r, err := newRelay(w.port(), target); err == nil {
			w.t.Cleanup(r.close)
			return r
		}
	}
	w.t.Fatal("no port for a relay")
	return nil
}

// startRedis starts a Redis that loses nothing that it has acknowledged.
func (w *world) startRedis() {
	at := w.port()
	folder := w.disk("redis")
	s := redistest.Start(w.t, redistest.Options{Fsync: "always", Args: []string{
		"--port", at[strings.LastIndexByte(at, ':')+1:], "--dir", folder.path}})
	w.redis = &redisNode{Server: s, addr: at}
}

// install writes the configuration of the n-th proxy. All have one keyring.
func (w *world) install(n int, at map[string]string) {
	p := &node{name: fmt.Sprintf("proxy %d", n), dir: filepath.Join(w.dir, fmt.Sprintf("proxy-%d", n)), output: &rig.Output{}}
	d := w.disk(fmt.Sprintf("data-%d", n))
	p.data = d.path
	listen, admin := w.port(), w.port()
	p.url, p.admin = "http://"+listen, "http://"+admin
	state := ""
	if w.redis != nil {
		p.link = w.relay(w.redis.addr)
		state = fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: spool}\n", p.link.addr)
	}
	w.write(filepath.Join(p.dir, "rules.yaml"), policy(at, w.routes))
	w.write(filepath.Join(p.dir, "chaperone.yaml"), fmt.Sprintf(
		"rules: rules.yaml\nlisten: {address: %q}\nadmin: {address: %q}\ndata: %q\n%slimits: {upstream_timeout: 3s, drain_timeout: 10s}\n",
		listen, admin, p.data, state))
	ring, err := keys.OpenLocal(context.Background(), keys.LocalOptions{Dir: p.data})
	if err != nil {
		w.t.Fatal(err)
	}
	ring.Close()
	if n > 0 {
		for _, name := range []string{keys.LocalKeyring, keys.LocalKeyFile} {
			b, err := os.ReadFile(filepath.Join(w.proxies[0].data, name))
			if err != nil {
				w.t.Fatal(err)
			}
			w.write(filepath.Join(p.data, name), string(b))
		}
	}
	w.proxies = append(w.proxies, p)
}

func (w *world) write(name, text string) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// disk makes a folder, as a file system of its own where that is allowed: then
// it can be filled.
func (w *world) disk(name string) *disk {
	d := &disk{name: name, path: filepath.Join(w.dir, name)}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		w.t.Fatal(err)
	}
	var err error
	if d.Disk, err = rig.Mount(d.path, 1024); err != nil {
		w.t.Logf("no disk will be full: %v", err)
		w.skipped["disk full: no file system of its own can be mounted"] = true
	}
	w.disks = append(w.disks, d)
	return d
}

// start runs a proxy. It does not wait until that is ready.
func (w *world) start(p *node) {
	run, err := rig.Run(p.output, binary, "run", "--config", p.config())
	if err != nil {
		w.t.Fatal(err)
	}
	p.run = run
}

func (p *node) config() string { return filepath.Join(p.dir, "chaperone.yaml") }

func (p *node) kill() {
	if p.run != nil {
		p.run.Kill()
		p.run = nil
	}
}

// ready waits until a proxy says that it is, starting it again where it ended:
// a start needs the store.
func (w *world) ready(p *node) {
	w.eventually(p.name+" is ready", func() error {
		if p.run == nil {
			w.start(p)
		}
		select {
		case <-p.run.Exited():
			p.run = nil
			return fmt.Errorf("it ended:\n%s", tail(p.output.String()))
		default:
		}
		resp, err := http.Get(p.admin + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz is %d", resp.StatusCode)
		}
		return nil
	})
}

// tail is the end of what a process printed.
func tail(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// command runs a verb on a proxy's configuration.
func (w *world) command(p *node, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", p.config())...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("chaperone %s: %w\n%s", strings.Join(args, " "), err, errors.String())
	}
	return string(out), err
}

// patience bounds every wait: it is against a hang, and no measure of anything.
const patience = 5 * time.Minute

// eventually asks until there is no error.
func (w *world) eventually(what string, ask func() error) {
	w.t.Helper()
	if err := within(patience, ask); err != nil {
		w.t.Fatalf("seed %d: waited in vain until %s: %v", w.seed, what, err)
	}
}

func within(most time.Duration, ask func() error) error {
	deadline := time.Now().Add(most)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// clear ends everything. A failed run keeps its folder.
func (w *world) clear() {
	for _, p := range w.proxies {
		p.kill()
	}
	failed := w.t.Failed()
	for _, d := range w.disks {
		if d.Disk == nil {
			continue
		}
		_ = d.Free() // it may not be full
		if failed {
			if err := os.CopyFS(filepath.Join(w.dir, "kept", d.name), os.DirFS(d.path)); err != nil {
				w.t.Logf("what was on %s is not kept: %v", d.name, err)
			}
		}
		if err := d.Unmount(); err != nil {
			w.t.Logf("%s stays mounted: %v", d.path, err)
		}
	}
	if !failed {
		_ = os.RemoveAll(w.dir)
		return
	}
	for n, p := range w.proxies {
		w.write(filepath.Join(w.dir, fmt.Sprintf("proxy-%d", n), "output"), p.output.String())
	}
	w.t.Logf("seed %d: the folder %s is kept", w.seed, w.dir)
}

// signal sends a signal to a process that may have ended.
func (p *node) signal(s syscall.Signal) {
	if p.run != nil {
		_ = p.run.Signal(s)
	}
}
