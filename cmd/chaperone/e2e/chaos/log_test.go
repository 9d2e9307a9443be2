package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// logBook is the whole log, read from the store after the proxies have ended.
type logBook struct {
	ring            *keys.Ring
	keys            map[string]string    // the Idempotency-Key of every leg that was decided → its destination
	released        map[attempt]bool     // attempts whose outcome is in the log
	lines           map[attempt][]string // what a failing run prints
	entries, chains int
	alarms          map[string]int // by reason
}

// attempt is one attempt of one key.
type attempt struct {
	key string
	n   int
}

// readLog opens the store as no proxy has it open, and reads every chain.
func (w *world) readLog() *logBook {
	b := &logBook{keys: map[string]string{}, released: map[attempt]bool{}, lines: map[attempt][]string{}, alarms: map[string]int{}}
	ctx := context.Background()
	var err error
	if b.ring, err = keys.OpenLocal(ctx, keys.LocalOptions{Dir: w.proxies[0].data}); err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	w.t.Cleanup(b.ring.Close)
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
	source, sealing := audit.FromStore(d), audit.NewSealing(b.ring, "")
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
				b.take(chain, r.Seq, &e)
			}
		}
	}
	return b
}

// take enters one entry.
func (b *logBook) take(chain string, seq uint64, e *audit.Entry) {
	b.entries++
	if e.Kind == audit.KindAlarm {
		b.alarms[string(e.Reason)]++
	}
	if e.Key == "" {
		return
	}
	at := attempt{string(e.Key), e.Attempt}
	b.lines[at] = append(b.lines[at], entryLine(chain, seq, e))
	switch e.Kind {
	case audit.KindDecision:
		for _, l := range e.Legs {
			if l.State != audit.LegSkipped {
				b.keys[legKey(b.ring, at.key, at.n, string(l.Name))] = string(l.To)
			}
		}
	case audit.KindOutcome, audit.KindAdmin:
		if e.Result == audit.ResultReleased {
			b.released[at] = true
		}
	}
}

// legKey makes the Idempotency-Key of a leg as PROTOCOL and DESIGN have it: a
// keyed hash of the sale's key, the attempt and the leg's name.
func legKey(ring *keys.Ring, key string, n int, leg string) string {
	mac := ring.MAC(nil, "leg", []byte(key), []byte(strconv.Itoa(n)), []byte(leg))
	return string(letters.Encode(nil, mac[:20]))
}

// attemptsOf finds the attempts of a sale that a receiver saw.
func (b *logBook) attemptsOf(w *world, s *sale) []attempt {
	var all []attempt
	for at := range b.lines {
		for _, name := range receiverNames {
			if d := w.receivers[name].byKey[legKey(b.ring, at.key, at.n, name)]; d != nil && d.sale == s {
				all = append(all, at)
				break
			}
		}
	}
	return all
}

// story is what the log says of a sale.
func (b *logBook) story(w *world, s *sale) string {
	var text strings.Builder
	for _, at := range b.attemptsOf(w, s) {
		fmt.Fprintf(&text, "  key %s attempt %d\n%s", at.key, at.n, strings.Join(b.lines[at], ""))
	}
	return text.String()
}

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
