package rig

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// Build builds the program into a new folder, under the race detector where
// race says so. The caller calls remove when it is used no more.
func Build(race bool) (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "chaperone-e2e-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // best effort, in the system's temporary folder
	binary = filepath.Join(dir, "chaperone")
	// The profile makes it faster, which these tests do not measure, and has
	// everything compiled once more.
	args := []string{"build", "-pgo=off", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "chaperone/cmd/chaperone")...).CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("building chaperone: %w\n%s", err, out)
	}
	return binary, remove, nil
}

// The ports that FreePort takes: below those that systems give to outgoing
// connections, one of which could otherwise have taken the port of a server
// that is down for a moment. For the same reason they are none of those that
// redistest takes: 10000 to 14999, and for the bus of a cluster's server, which
// is always 10,000 above its port, those from firstBus to lastBus.
const (
	firstPort, lastPort = 15000, 29999
	firstBus, lastBus   = 20000, 24999
)

var given sync.Map // the ports that this process has found

// FreePort finds a loopback address that nobody listens on. It gives none
// twice, so that whoever asks need not listen on it at once.
func FreePort() (string, error) {
	for range 200 {
		port := firstPort + rand.N(lastPort-firstPort)
		if port >= firstBus && port <= lastBus {
			continue
		}
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if _, taken := given.LoadOrStore(at, true); taken {
			continue
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			continue
		}
		return at, l.Close()
	}
	return "", errors.New("rig: no free port found")
}

// Output gathers what a process prints. It is safe for concurrent use.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the output.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns what was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
