package proxy

import (
	"errors"
	"sync"
	"time"

	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/vault/letters"
)

// resolve carries out the operations of the request, and finds its subject, in
// one round trip at most, but for what is new.
func (x *exchange) resolve() *reason.Error {
	t := &x.tokens
	t.use(x)
	ops := x.req.Ops()
	if x.follows != nil {
		x.aliasAsTheSale(ops)
	}
	if err := t.begin(ops); err != nil {
		x.s.logger.Error("tokens cannot be made", "request", x.id, "error", err)
		return refuse(reason.Internal, "a token could not be made")
	}
	pending := x.findSubject()
	if err := t.ask(); err != nil {
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	}
	if pending >= 0 {
		c := &t.reads[pending]
		if !t.local || !c.Won {
			if e := x.learnSubject(c); e != nil {
				return e
			}
		}
		if c.Won {
			// It goes with the record as well: what is in that is there again
			// after a failover, and without it nobody could say whose data the
			// entry speaks of.
			x.owed = *c
		}
	}
	switch err := t.finish(ops); {
	case errors.Is(err, errLimit):
		return refuse(reason.TokenLimit, "the caller has made or revealed as many tokens as it may for now")
	case errors.Is(err, store.ErrUnavailable):
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	case err != nil:
		x.s.logger.Error("tokens cannot be turned back", "request", x.id, "error", err)
		return refuse(reason.Internal, "a token could not be turned back")
	}
	return nil
}

// findSubject looks for the random id of the person whom the request is about.
// Where it is not at hand, it is made, and a command that stores or learns it
// joins the resolver's; its index is returned, else -1.
func (x *exchange) findSubject() int {
	if x.p.plan.Routes[x.route].Subject == nil {
		return -1
	}
	value, ok := x.req.Subject()
	if !ok {
		return -1
	}
	who := x.s.letters("subject", value)
	id, sure := x.s.subjects.get(who)
	if sure {
		x.subject = id
		return -1
	}
	key := store.SubjectKey(who)
	if id == "" { // else the store may have lost it
		id = letters.Random(idLetters)
	}
	// The value is kept beside the id, sealed, so that whoever has that right
	// can tell a person what was disclosed (45 CFR 164.528).
	plain := appendBytes(appendTexts(nil, id), value)
	x.tokens.gather(ask{}, store.Command{Kind: store.SetOnce, Key: key, Value: x.s.ring.Seal(nil, plain, []byte(key))})
	clear(plain)
	x.subject = id
	return len(x.tokens.reads) - 1
}

// learnSubject takes the id that is in the store.
func (x *exchange) learnSubject(c *store.Command) *reason.Error {
	if !c.Won {
		plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
		d := decoder{b: plain}
		id := d.text()
		if err != nil || d.bad {
			x.s.logger.Error("the register of a subject does not open", "request", x.id)
			return refuse(reason.Internal, "the register of a subject does not open")
		}
		clear(plain)
		x.subject = id
	}
	x.s.subjects.put(c.Key[len(store.SubjectKey("")):], x.subject)
	return nil
}

// recentFor is how long a card token is taken for known without asking the
// store again; half of it at least. So long may a card whose token was revoked
// on another proxy still get the revoked one.
const recentFor = time.Minute

// maxRecent bounds the tokens that are remembered, twice.
const maxRecent = 32 << 10

// recent remembers the registers that were seen in the store a moment ago.
type recent struct {
	mu       sync.Mutex
	now, old map[string]string // key → itself
	since    time.Time
}

func (r *recent) has(key string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	_, ok := r.now[key]
	if !ok {
		_, ok = r.old[key]
	}
	return ok
}

// get is has, and gives the key as a text that need not be made.
func (r *recent) get(key []byte, at time.Time) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	text, ok := r.now[string(key)]
	if !ok {
		text, ok = r.old[string(key)]
	}
	return text, ok
}

func (r *recent) add(key string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	if r.now == nil {
		r.now = map[string]string{}
	}
	r.now[key] = key
}

// clear forgets all: something was revoked.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.old = nil, nil
}

// turn forgets what was not added within the last turn.
func (r *recent) turn(at time.Time) {
	switch past := at.Sub(r.since); {
	case past >= recentFor || past < 0:
		r.now, r.old, r.since = nil, nil, at
	case past >= recentFor/2 || len(r.now) >= maxRecent:
		r.now, r.old, r.since = nil, r.now, at
	}
}
