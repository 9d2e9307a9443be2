package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// never is a timeout of the connection that no test waits for: whoever returns
// earlier was not held up by it.
const never = time.Hour

// led starts a committer on a server of its own, which has written a first batch
// already, so that the next one is its caller's.
func led(t *testing.T, o store.CommitterOptions) (*redistest.Server, store.Driver, *store.Committer) {
	t.Helper()
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}, Timeout: never})
	c := startCommitter(t, d, o)
	commits(t, c, 0)
	return s, d, c
}

func commits(t *testing.T, c *store.Committer, i int) {
	t.Helper()
	if err := c.Commit(storetest.Context(t), unit(i)); err != nil {
		t.Fatal(err)
	}
}

func TestLeadAlone(t *testing.T) {
	_, d, c := led(t, store.CommitterOptions{AliveEvery: never, AliveFor: 3 * never, Patience: never})
	const n = 50
	for i := 1; i < n; i++ {
		commits(t, c, i)
	}
	if got := c.Stats(); got.Led < n-2 || got.Units != n || got.Entries != n {
		t.Errorf("%+v", got)
	}
	if got := verify(t, d, "node-a"); len(got) != n {
		t.Errorf("%d records", len(got))
	}
}

// TestLeadLost has somebody else own what the caller claims: the claim's prior
// value is asked for, by the writing goroutine.
func TestLeadLost(t *testing.T) {
	_, d, c := led(t, store.CommitterOptions{})
	theirs := unit(1).Commands[0]
	theirs.Value = []byte("theirs")
	storetest.Apply(t, d, theirs)
	u := unit(1)
	if err := c.Commit(storetest.Context(t), u); err != nil || u.Commands[0].Won || string(u.Commands[0].Prior) != "theirs" {
		t.Errorf("%v, won %t, prior %q", err, u.Commands[0].Won, u.Commands[0].Prior)
	}
	commits(t, c, 2)
	if got := verify(t, d, "node-a"); len(got) != 3 {
		t.Errorf("%d records", len(got))
	}
}

// TestLeadHangs has the server stop when the caller waits for its reply: it is
// told so in time, though the connection's own is far away, and what it sent is
// stored once.
func TestLeadHangs(t *testing.T) {
	for name, how := range map[string]func(*testing.T, *redistest.Server){
		"and go on": func(t *testing.T, s *redistest.Server) { s.Resume(t) },
		"and die":   func(t *testing.T, s *redistest.Server) { s.Kill(); s.Restart(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s, d, c := led(t, store.CommitterOptions{Deadline: 3 * time.Second, Patience: time.Millisecond})
			s.Pause(t)
			if err := c.Commit(storetest.Context(t), unit(1)); !errors.Is(err, store.ErrUnavailable) || !store.MayPersist(err) {
				t.Errorf("while it hangs: %v", err)
			}
			storetest.Eventually(t, "unhealthy", func() bool { return !c.Healthy() })
			how(t, s)
			storetest.Eventually(t, "healthy", c.Healthy)
			commits(t, c, 2)
			if got := verify(t, d, "node-a"); strings.Join(got, ",") != "entry 0,entry 1,entry 2" {
				t.Errorf("log %q", got)
			}
		})
	}
}

// TestLeadEnds closes the committer while a caller waits for a server that hangs.
func TestLeadEnds(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}, Timeout: never})
	c, err := store.NewCommitter(storetest.Context(t), d, store.CommitterOptions{Chain: "node-a", Deadline: never, AliveEvery: never, AliveFor: 3 * never})
	if err != nil {
		t.Fatal(err)
	}
	// Until the writing goroutine has nothing to do any more, which would wait
	// for the server as long as the connection does.
	n := 0
	for ; c.Stats().Led < 3; n++ {
		commits(t, c, n)
	}
	s.Pause(t)
	defer s.Resume(t)
	waits := make(chan error)
	go func() { waits <- c.Commit(context.Background(), unit(n)) }()
	storetest.Eventually(t, "the batch", func() bool { return c.Stats().InFlight > 0 })
	ended, cancel := contextEnded()
	defer cancel()
	if err := c.Close(ended); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("close: %v", err)
	}
	if err := <-waits; !errors.Is(err, store.ErrUnavailable) || !store.MayPersist(err) {
		t.Errorf("%v", err)
	}
}

// TestLeadHurried has a server stutter, so that callers leave their batches to
// the writing goroutine at any moment of the wait.
func TestLeadHurried(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	c := startCommitter(t, d, store.CommitterOptions{Deadline: 16 * time.Second, Patience: time.Microsecond})
	l := startLoad(t, c)
	for range 20 {
		if _, err := s.Do("CLIENT", "PAUSE", "3", "ALL"); err != nil {
			t.Fatal(err)
		}
		l.more(t, 40)
	}
	l.check(t, d)
	if got := c.Stats(); got.Restarts > 0 || got.Failovers > 0 || got.Resends > 0 {
		t.Errorf("%+v", got)
	}
}
