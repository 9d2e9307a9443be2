package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"chaperone/vault/keys"
)

// operate does what an operator does about sales in doubt: looks each up in the
// processor's own books, once nothing is on its way there any more, and says what
// it finds. Then the tills are told so, and make those again that were not
// charged.
func (w *world) operate() {
	quiet := 0
	w.eventually("nothing is on its way to a processor", func() error {
		quiet++
		for _, name := range receiverNames {
			if n := w.receivers[name].busy.Load(); n > 0 {
				quiet = 0
				return fmt.Errorf("%d requests at %s", n, name)
			}
		}
		if quiet < 20 {
			return fmt.Errorf("not for long enough")
		}
		return nil
	})
	ring, err := keys.OpenLocal(context.Background(), keys.LocalOptions{Dir: w.proxies[0].data})
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	defer ring.Close()
	close(w.pos.over)
	w.eventually("every sale is decided", func() error {
		for _, d := range w.doubts() {
			w.resolve(w.salesByKey(ring)[d.Key], d)
		}
		return w.undecided(false)
	})
	w.pos.tills.Wait()
}

// resolve says whether a sale in doubt was charged.
func (w *world) resolve(s *sale, d doubt) {
	if s == nil {
		w.t.Errorf("seed %d: %s is in doubt, which is no sale of these tills", w.seed, d.Key)
		return
	}
	if s.route.onDoubt != "" {
		return // its tills, or the proxies, find out themselves
	}
	found := "--not-charged"
	if w.books.charged(s) > 0 {
		found = "--charged"
	}
	name := fmt.Sprintf("%s/%d", d.Key, d.Attempt)
	if _, err := w.command(w.proxies[0], "outbox", "resolve", name, found, "--reason", "the books of the processor"); err == nil {
		w.resolved[found]++
	} else if !strings.Contains(err.Error(), "exit status 1") {
		w.t.Errorf("seed %d: %v", w.seed, err)
	}
}

// doubts lists the sales in doubt as an operator would.
func (w *world) doubts() []doubt {
	out, err := w.command(w.proxies[0], "outbox", "doubts", "--json")
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	var all []doubt
	for line := range strings.Lines(out) {
		var d doubt
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			w.t.Fatalf("seed %d: outbox doubts: %v", w.seed, err)
		}
		all = append(all, d)
	}
	return all
}

// doubt is a line of outbox doubts.
type doubt struct {
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
}
