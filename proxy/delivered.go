package proxy

import (
	"slices"
	"sync"

	"chaperone/audit"
	"chaperone/store"
)

// recorder puts on record what the lanes have delivered: what ends while the
// store is asked is the next unit, and the legs of one attempt that are in it
// share an entry. It never waits for legs to come together.
type recorder struct {
	b *outbox

	mu    sync.Mutex
	ended []*parcel // delivered, and not on record yet
	busy  bool      // a goroutine sees to ended
}

// maxRecorded bounds the deliveries that are recorded in one unit.
const maxRecorded = 256

// add takes a delivered leg. The caller is one of the outbox's own goroutines,
// which the end of the outbox waits for.
func (r *recorder) add(p *parcel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, p)
	if !r.busy {
		r.busy = true
		r.b.running.Go(r.run)
	}
}

// run records deliveries until all are.
func (r *recorder) run() {
	var w recordWriter
	var batch []*parcel
	for {
		r.mu.Lock()
		n := min(len(r.ended), maxRecorded)
		if n == 0 {
			r.busy = false
			r.mu.Unlock()
			return
		}
		batch = append(batch[:0], r.ended[:n]...)
		left := copy(r.ended, r.ended[n:])
		clear(r.ended[left:])
		r.ended = r.ended[:left]
		r.mu.Unlock()
		r.b.recordDelivered(&w, batch)
		for _, p := range batch {
			if !p.handed || p.member.Group != "" {
				p.lane.ring() // what waited behind it may be due now
			}
			p.lane.done(p)
		}
		clear(batch)
	}
}

// recordWriter is what the recorder uses again and again.
type recordWriter struct {
	unit    *store.Unit
	arena   []byte
	entry   audit.Entry
	scratch []byte
	name    []byte    // of the register that is sealed
	ask     []*parcel // one each of the attempts that may be over
}

// recordDelivered puts legs that were accepted on record. It changes the order
// of the batch.
func (b *outbox) recordDelivered(w *recordWriter, batch []*parcel) {
	if w.unit == nil {
		w.unit, w.arena = new(store.Unit), nil
	}
	u := w.unit
	resetUnit(u)
	w.arena, w.ask = w.arena[:0], w.ask[:0]
	now := b.s.clock().UnixMilli()
	for rest := batch; len(rest) > 0; {
		// Those that one request has handed over share its claim.
		n := 1
		for i := 1; i < len(rest); i++ {
			if rest[i].claim == rest[0].claim && rest[i].policy == rest[0].policy {
				rest[n], rest[i] = rest[i], rest[n]
				n++
			}
		}
		b.addDelivered(w, rest[:n], now)
		rest = rest[n:]
	}
	err := b.s.committer.CommitLater(u)
	for _, p := range batch {
		if err != nil {
			b.logger.Error("a delivery is not on record; the leg is sent again, with the same key", "request", p.claim.Request, "destination", p.leg.To, "error", err)
			continue
		}
		if p.trial.parked {
			b.notePark(p.item.Member, false)
		}
	}
	if err != nil || !u.Stored {
		w.unit = nil // the committer's now
		return
	}
	for i := range u.Commands {
		if c := &u.Commands[i]; c.Kind == store.SetOnce && !c.Won {
			b.logger.Error("a leg was sent that was delivered or dropped before, by what is on record", "register", c.Key)
		}
	}
	b.expireEnded(w.ask)
	clear(w.ask)
}

// addDelivered adds to the writer's unit what is recorded of some legs of one
// attempt: an entry for all of them, a register each, and their end in the
// index.
func (b *outbox) addDelivered(w *recordWriter, legs []*parcel, now int64) {
	u, first := w.unit, legs[0]
	b.fillEntry(&w.entry, first, audit.ResultDelivered, audit.LegDelivered, first.status, "")
	last, unsure := b.allEnded(first)
	for _, p := range legs[1:] {
		w.entry.Legs = append(w.entry.Legs, p.said(audit.LegDelivered, p.status))
		var may bool
		last, may = b.allEnded(p)
		unsure = unsure || may
	}
	from := len(w.arena)
	w.arena = b.s.sealing().Seal(w.arena, &w.entry)
	u.Entries = append(u.Entries, w.arena[from:len(w.arena):len(w.arena)])
	keep := first.claim.keep()
	for _, p := range legs {
		n := note{Owner: p.claim.Request, At: now, Result: audit.ResultDelivered, Status: p.status}
		if p.awaited {
			n.Reason = noteAwaited
		}
		w.scratch = n.append(w.scratch[:0])
		key := store.DeliveryKey(p.member.K, p.member.A, p.member.N)
		from = len(w.arena)
		w.name = append(w.name[:0], key...)
		w.arena = b.s.ring.Seal(w.arena, w.scratch, w.name)
		delivered := store.Command{Kind: store.SetOnce, Key: key, Value: w.arena[from:len(w.arena):len(w.arena)]}
		if last {
			delivered.TTL = keep
		}
		u.Commands = append(u.Commands, delivered,
			store.Command{Kind: store.QueueRemove, Queue: store.Due, Member: p.item.Member, Score: now})
		if p.trial.stored {
			u.Commands = append(u.Commands, store.Command{Kind: store.Delete, Key: store.TrialKey(p.member.K, p.member.A, p.member.N)})
		}
		if p.leg.Large {
			u.Commands = append(u.Commands, store.Command{Kind: store.Delete, Key: store.RequestBodyKey(p.member.K, p.member.A, p.member.N, p.claim.Request)})
		}
	}
	switch {
	case last:
		u.Commands = expireAttempt(u.Commands, first.claim, attempt{first.member.K, first.member.A}, func(leg int) bool {
			return slices.ContainsFunc(legs, func(p *parcel) bool { return p.member.N == leg })
		})
	case unsure:
		w.ask = append(w.ask, first)
	}
}
