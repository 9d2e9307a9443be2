package chaos

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// logBook is the whole log, read from the store after the proxies have ended.
type logBook struct {
	decided         map[*sale]map[string]bool // by the names of the legs that were to be sent
	released        map[*sale]bool            // those whose outcome is in the log
	lines           map[*sale][]string        // what a failing run prints
	entries, chains int
	alarms          map[string]int // by reason
}

// readLog opens the store as no proxy has it open, and reads every chain.
func (w *world) readLog() *logBook {
	b := &logBook{decided: map[*sale]map[string]bool{}, released: map[*sale]bool{}, lines: map[*sale][]string{}, alarms: map[string]int{}}
	ctx := context.Background()
	ring, err := keys.OpenLocal(ctx, keys.LocalOptions{Dir: w.proxies[0].data})
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	defer ring.Close()
	byKey := w.salesByKey(ring)
	var d store.Driver
	if w.redis != nil {
		d, err = store.OpenRedis(ctx, store.RedisOptions{Addresses: []string{w.redis.addr}})
	} else {
		d, err = store.OpenFile(filepath.Join(w.proxies[0].data, "store.db"), store.FileOptions{})
	}
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	defer d.Close()
	source, sealing := audit.FromStore(d), audit.NewSealing(ring, "")
	chains, err := source.Chains(ctx)
	w.must(err)
	b.chains = len(chains)
	for _, chain := range chains {
		for from := uint64(1); ; {
			records, err := source.Records(ctx, chain, from, 1000)
			w.must(err)
			if len(records) == 0 {
				break
			}
			for _, r := range records {
				from = r.Seq + 1
				e, err := sealing.Open(r.Entry)
				if err != nil {
					w.t.Errorf("seed %d: %s %d: %v", w.seed, chain, r.Seq, err)
					continue
				}
				b.take(byKey, chain, r.Seq, &e)
			}
		}
	}
	return b
}

// take enters one entry.
func (b *logBook) take(byKey map[string]*sale, chain string, seq uint64, e *audit.Entry) {
	b.entries++
	if e.Kind == audit.KindAlarm {
		b.alarms[string(e.Reason)]++
	}
	s := byKey[string(e.Key)]
	if s == nil {
		return
	}
	b.lines[s] = append(b.lines[s], entryLine(chain, seq, e))
	switch e.Kind {
	case audit.KindDecision:
		if b.decided[s] == nil {
			b.decided[s] = map[string]bool{}
		}
		for _, l := range e.Legs {
			if l.State != audit.LegSkipped {
				b.decided[s][string(l.To)] = true
			}
		}
	case audit.KindOutcome, audit.KindAdmin:
		if e.Result == audit.ResultReleased {
			b.released[s] = true
		}
	}
}

// salesByKey gives the sales by the key under which stores and logs have them: a
// keyed hash of the caller, the route and the transaction id.
func (w *world) salesByKey(ring *keys.Ring) map[string]*sale {
	all := map[string]*sale{}
	for _, s := range w.books.all() {
		mac := ring.MAC(nil, "idempotency", []byte("front-desk"), []byte(s.route.name), []byte(s.id))
		all[string(letters.Encode(nil, mac[:20]))] = s
	}
	return all
}

// story is what the log says of a sale.
func (b *logBook) story(s *sale) string { return strings.Join(b.lines[s], "") }

// digits are runs that may hold a card number.
var digits = regexp.MustCompile(`[0-9]{13,}`)

// search looks for what must be nowhere, in every file of the run, in what the
// processes printed, and in their metrics.
func (w *world) search(metrics map[string]string) {
	pans := map[string]bool{}
	for _, s := range w.books.all() {
		for _, p := range s.pans {
			pans[p] = true
		}
	}
	look := func(where string, b []byte) {
		if i := bytes.Index(b, []byte(mark)); i >= 0 {
			w.t.Errorf("seed %d: %s holds a secret, at %d", w.seed, where, i)
		}
		for _, at := range digits.FindAllIndex(b, -1) {
			for from := at[0]; from+16 <= at[1]; from++ {
				if pans[string(b[from:from+16])] {
					w.t.Errorf("seed %d: %s holds a card number, at %d", w.seed, where, from)
					return
				}
			}
		}
	}
	for name, text := range metrics {
		look("the metrics of "+name, []byte(text))
	}
	for _, p := range w.proxies {
		look("what "+p.name+" printed", []byte(p.output.String()))
	}
	err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Redis removes a file that it has written anew
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if err == nil {
			look(name, b)
		}
		return nil
	})
	w.must(err)
}
