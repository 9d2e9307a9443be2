package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// rule is a rule of the protocol.
type rule uint16

const (
	ruleClaimFirst      rule = 1 << iota // nothing is sent without a claim that was won
	ruleLease                            // nothing is sent under a lease that is too old
	ruleOneLease                         // nor under one that was lost and taken again since the claim
	ruleRebuild                          // what a crash left out of the queue is put in again
	ruleLock                             // who sends again, or resolves, holds the lock
	ruleLookAgain                        // and looks at the outcome once he holds it
	ruleInDoubtHolds                     // an unknown outcome is neither success nor failure
	ruleVoidUnlessDoubt                  // nor does a claimant that sent nothing end an attempt that is marked as unknown
	ruleMarkFirst                        // who sends again marks the attempt as unknown first
	ruleOnlyIdempotent                   // nothing is sent again to a primary that is not idempotent
	allRules            = 1<<iota - 1
)

// world is what a run may do.
type world struct {
	rules      rule
	retry      bool // on_doubt: retry
	idempotent bool // the primary is
	crashes    int8
	faults     int8 // calls of the primary that go wrong
	pauses     int8
	requests   int
}

const (
	modelRequests = 3
	modelAttempts = 2
	modelProxies  = 2
	modelBoots    = 4
	nobody        = 0
	operatorHolds = modelRequests + 1
)

type verdict uint8 // of an attempt; what the caller was told

const (
	verdictNone verdict = iota
	verdictReleased
	verdictCancelled
	verdictVoid
	verdictUnknown
	verdictRefused // 409, 422, 503: nothing was done for this request
)

type step uint8 // where a request is

const (
	atPOS step = iota
	atClaim
	atSend
	atOutcome
	atQueue
	atGiveUp    // its claim was not acknowledged, and may yet be stored
	atLateClaim // likewise, and is not stored yet
	atAgain     // in doubt: about to take the lock
	atEnd
)

type modelRequest struct {
	step    step
	proxy   int8
	attempt int8
	epoch   int8 // of the proxy's lease when the claim was won
	again   bool // it sends an attempt that is another's
	result  verdict
	told    verdict
}

type modelWorker struct {
	step    uint8 // 0 idle, 1 reads, 2 sends, 3 records, 4 removes
	attempt int8
}

// modelState is comparable: it is its own key.
type modelState struct {
	// the store
	claim     [modelAttempts]int8 // request + 1
	chain     [modelAttempts]int8 // of the claim: a boot
	unknown   [modelAttempts]bool
	outcome   [modelAttempts]verdict
	lock      [modelAttempts]int8
	due       [modelAttempts]bool
	delivered [modelAttempts]bool
	alive     [modelBoots]bool
	// the proxies
	boot   [modelProxies]int8 // -1: down
	stale  [modelProxies]bool // the lease is older than half of its life
	epoch  [modelProxies]int8 // counts leases lost and taken again
	boots  int8
	worker [modelProxies]modelWorker
	// the requests, and the operator, who asks the processor and then writes
	request  [modelRequests]modelRequest
	operator struct {
		step    uint8 // 0 idle, 1 holds the lock, 2 knows
		attempt int8
		finds   verdict
	}
	// the world outside
	charges  [modelAttempts]int8 // by the attempt's key
	answers  [modelAttempts]verdict
	received [modelAttempts]bool

	crashes, faults, pauses int8
}

func (w *world) start() modelState {
	var s modelState
	s.boots = modelProxies
	for p := range s.boot {
		s.boot[p] = int8(p)
		s.alive[p] = true
	}
	return s
}

func (w *world) has(r rule) bool { return w.rules&r != 0 }

// move is a successor with what happened.
type move struct {
	what  string
	state modelState
}

// moves gives all successors of a state.
func (w *world) moves(s modelState) []move {
	var all []move
	add := func(what string, change func(*modelState)) {
		next := s
		change(&next)
		if next != s {
			all = append(all, move{what, next})
		}
	}
	for i := range w.requests {
		w.requestMoves(&s, i, add)
	}
	for p := range s.boot {
		w.proxyMoves(&s, p, add)
		w.workerMoves(&s, p, add)
	}
	w.operatorMoves(&s, add)
	return all
}

type adder func(what string, change func(*modelState))

// body says which requests are the same: the third comes with another card.
func body(request int) int { return request / 2 }

// doubtful reports whether an attempt may be taken for one in doubt.
func (s *modelState) doubtful(a int8) bool {
	return s.claim[a] != nobody && s.outcome[a] == verdictNone && (s.unknown[a] || !s.alive[s.chain[a]])
}

func (w *world) requestMoves(s *modelState, i int, add adder) {
	r := s.request[i]
	name := func(what string) string { return fmt.Sprintf("request %d: %s", i, what) }
	a := r.attempt
	switch r.step {
	case atPOS:
		for p := range s.boot {
			if i == 0 && p > 0 {
				break // the proxies are alike
			}
			if s.boot[p] >= 0 {
				add(name(fmt.Sprintf("arrives at proxy %d", p)), func(n *modelState) { n.request[i] = modelRequest{step: atClaim, proxy: int8(p)} })
			}
		}
	case atClaim:
		w.claimMoves(s, i, add)
	case atLateClaim:
		add(name("the claim is stored late"), func(n *modelState) {
			if n.claim[a] == nobody {
				n.claim[a], n.chain[a] = int8(i)+1, n.boot[r.proxy]
			}
			n.request[i].step = atGiveUp
		})
		add(name("the claim is never stored"), func(n *modelState) { n.request[i].step = atEnd })
	case atGiveUp:
		add(name("gives its claim up"), func(n *modelState) {
			n.request[i].step = atEnd
			if n.claim[a] == int8(i)+1 && w.mayVoid(n, r) {
				w.write(n, a, verdictVoid)
			}
		})
	case atAgain:
		add(name("takes the lock"), func(n *modelState) { w.takeLock(n, i) })
	case atSend:
		w.sendMoves(s, i, add)
	case atOutcome:
		add(name("writes its outcome"), func(n *modelState) { w.settle(n, i) })
	case atQueue:
		add(name("queues the leg"), func(n *modelState) {
			n.due[a] = true
			n.request[i].step, n.request[i].told = atEnd, verdictReleased
		})
	}
}

func (w *world) claimMoves(s *modelState, i int, add adder) {
	r := s.request[i]
	a := r.attempt
	name := func(what string) string { return fmt.Sprintf("request %d: %s", i, what) }
	end := func(told verdict) func(*modelState) {
		return func(n *modelState) { n.request[i].step, n.request[i].told = atEnd, told }
	}
	switch o := s.outcome[a]; {
	case s.claim[a] == nobody:
		add(name("wins the claim"), func(n *modelState) {
			n.claim[a], n.chain[a] = int8(i)+1, n.boot[r.proxy]
			n.request[i].step, n.request[i].epoch = atSend, n.epoch[r.proxy]
		})
		add(name("hears nothing of its claim, which is stored"), func(n *modelState) {
			n.claim[a], n.chain[a] = int8(i)+1, n.boot[r.proxy]
			n.request[i].step, n.request[i].told, n.request[i].epoch = atGiveUp, verdictRefused, n.epoch[r.proxy]
		})
		add(name("hears nothing of its claim, which is not stored"), func(n *modelState) {
			n.request[i].step, n.request[i].told, n.request[i].epoch = atLateClaim, verdictRefused, n.epoch[r.proxy]
		})
		if !w.has(ruleClaimFirst) {
			add(name("goes on without its claim"), func(n *modelState) { n.request[i].step = atSend })
		}
	case o == verdictNone && body(i) != body(int(s.claim[a])-1):
		add(name("is another body"), end(verdictRefused))
	case o == verdictNone && s.doubtful(a) && w.retry && (w.idempotent || !w.has(ruleOnlyIdempotent)):
		add(name("finds the attempt in doubt"), func(n *modelState) { n.request[i].step, n.request[i].again = atAgain, true })
	case o == verdictNone:
		add(name("is told to wait"), end(verdictRefused))
	case o == verdictVoid, o == verdictCancelled && body(i) != body(int(s.claim[a])-1):
		if a+1 < modelAttempts {
			add(name("finds the key free"), func(n *modelState) { n.request[i].attempt++ })
		} else {
			add(name("has tried too often"), end(verdictRefused))
		}
	case body(i) != body(int(s.claim[a])-1):
		add(name("is another body"), end(verdictRefused))
	default:
		add(name("gets the first answer"), end(o))
	}
}

// takeLock is the round trip in which a repeat takes the lock of an attempt in
// doubt, and looks at the outcome.
func (w *world) takeLock(n *modelState, i int) {
	r := &n.request[i]
	a := r.attempt
	switch {
	case w.has(ruleLock) && n.lock[a] != nobody:
		r.step, r.told = atEnd, verdictRefused
		return
	case w.has(ruleLookAgain) && n.outcome[a] != verdictNone:
		r.step = atClaim // it is answered as any repeat
		r.again = false
		return
	}
	n.lock[a] = int8(i) + 1
	n.unknown[a] = n.unknown[a] || w.has(ruleMarkFirst)
	r.step, r.epoch = atSend, n.epoch[r.proxy]
}

func (w *world) unlock(n *modelState, i int) {
	if a := n.request[i].attempt; n.lock[a] == int8(i)+1 {
		n.lock[a] = nobody
	}
}

// sendMoves is the check of the lease and the call of the primary, which the
// lease covers.
func (w *world) sendMoves(s *modelState, i int, add adder) {
	r := s.request[i]
	a := r.attempt
	name := func(what string) string { return fmt.Sprintf("request %d: %s", i, what) }
	answered := func(v verdict) func(*modelState) {
		return func(n *modelState) { n.request[i].step, n.request[i].result = atOutcome, v }
	}
	if (w.has(ruleLease) && s.stale[r.proxy]) || (w.has(ruleOneLease) && s.epoch[r.proxy] != r.epoch) {
		add(name("may not send"), answered(verdictVoid))
		return
	}
	charge := func(n *modelState) {
		n.answers[a] = verdictReleased
		if !w.idempotent || n.charges[a] == 0 {
			n.charges[a]++
		}
	}
	first := s.answers[a]
	if !w.idempotent {
		first = verdictNone
	}
	if first != verdictCancelled {
		add(name("is charged"), func(n *modelState) { charge(n); answered(verdictReleased)(n) })
	}
	if first != verdictReleased {
		add(name("is declined"), func(n *modelState) { n.answers[a] = verdictCancelled; answered(verdictCancelled)(n) })
	}
	if s.faults >= w.faults {
		return
	}
	lost := verdictUnknown
	if !w.has(ruleInDoubtHolds) {
		lost = verdictVoid
	}
	if first != verdictCancelled {
		add(name("is charged, and the answer is lost"), func(n *modelState) { charge(n); answered(lost)(n); n.faults++ })
	}
	add(name("is lost on its way"), func(n *modelState) { answered(lost)(n); n.faults++ })
	add(name("does not reach the primary"), func(n *modelState) { answered(verdictVoid)(n); n.faults++ })
}

// mayVoid reports whether a request that has sent nothing may say so of the
// attempt: nobody else can have sent it again.
func (w *world) mayVoid(n *modelState, r modelRequest) bool {
	return !w.has(ruleVoidUnlessDoubt) || !n.unknown[r.attempt]
}

// write writes an outcome: the first one stays.
func (w *world) write(n *modelState, a int8, v verdict) (won bool) {
	if n.outcome[a] != verdictNone {
		return false
	}
	n.outcome[a] = v
	return true
}

// settle writes what came of a call.
func (w *world) settle(n *modelState, i int) {
	r := &n.request[i]
	if r.result == verdictVoid && !w.mayVoid(n, *r) {
		r.result = verdictUnknown
	}
	r.told = r.result
	r.step = atEnd
	w.unlock(n, i)
	switch {
	case r.result == verdictUnknown:
		n.unknown[r.attempt] = true
		r.told = verdictRefused
	case !w.write(n, r.attempt, r.result):
		// A late outcome: recorded, and left to people.
	case r.result == verdictReleased:
		r.step, r.told = atQueue, verdictNone
	}
}

func (w *world) proxyMoves(s *modelState, p int, add adder) {
	name := func(what string) string { return fmt.Sprintf("proxy %d: %s", p, what) }
	b := s.boot[p]
	if b < 0 {
		if s.boots < modelBoots {
			add(name("starts"), func(n *modelState) {
				n.boot[p], n.stale[p] = n.boots, false
				n.alive[n.boots] = true
				n.boots++
			})
		}
		return
	}
	if w.has(ruleRebuild) {
		add(name("rebuilds the queue"), func(n *modelState) {
			for a := range n.outcome {
				if n.outcome[a] == verdictReleased && !n.delivered[a] {
					n.due[a] = true
				}
			}
		})
	}
	if s.crashes < w.crashes {
		add(name("dies"), func(n *modelState) {
			n.crashes++
			n.boot[p], n.worker[p] = -1, modelWorker{}
			n.alive[b] = false
			for i := range n.request {
				if r := &n.request[i]; int(r.proxy) == p && r.step != atPOS && r.step != atEnd {
					w.unlock(n, i) // it runs out
					r.step = atEnd
				}
			}
		})
	}
	switch {
	case !s.stale[p] && s.pauses < w.pauses:
		add(name("is paused, its lease grows old"), func(n *modelState) { n.stale[p] = true; n.pauses++ })
	case s.stale[p] && s.alive[b]:
		add(name("its lease is over, and so are its locks"), func(n *modelState) {
			n.alive[b] = false
			for i := range n.request {
				if int(n.request[i].proxy) == p {
					w.unlock(n, i)
				}
			}
		})
		add(name("wakes up, its lease not over"), func(n *modelState) { n.stale[p] = false })
	case s.stale[p]:
		add(name("wakes up, and takes its lease again"), func(n *modelState) {
			n.stale[p], n.alive[b] = false, true
			n.epoch[p]++
		})
	}
}

func (w *world) workerMoves(s *modelState, p int, add adder) {
	if s.boot[p] < 0 {
		return
	}
	name := func(what string) string { return fmt.Sprintf("worker %d: %s", p, what) }
	k := s.worker[p]
	a := k.attempt
	set := func(step uint8) func(*modelState) { return func(n *modelState) { n.worker[p].step = step } }
	switch k.step {
	case 0:
		for a := range s.due {
			if s.due[a] {
				// Leases of legs may run out: two workers may have one.
				add(name(fmt.Sprintf("takes the leg of attempt %d", a+1)), func(n *modelState) { n.worker[p] = modelWorker{1, int8(a)} })
			}
		}
	case 1:
		if s.outcome[a] != verdictReleased || s.delivered[a] {
			add(name("finds nothing to send"), func(n *modelState) { n.due[a] = false; n.worker[p].step = 0 })
		} else {
			add(name("reads the registers"), set(2))
		}
	case 2:
		add(name("sends the leg"), func(n *modelState) { n.received[a] = true; n.worker[p].step = 3 })
		if s.faults < w.faults {
			add(name("cannot send the leg"), func(n *modelState) { n.faults++; n.worker[p].step = 0 })
			add(name("sends the leg and hears nothing"), func(n *modelState) { n.faults++; n.received[a] = true; n.worker[p].step = 0 })
		}
	case 3:
		add(name("records the delivery"), func(n *modelState) { n.delivered[a] = true; n.worker[p].step = 4 })
	case 4:
		add(name("takes the leg out"), func(n *modelState) { n.due[a] = false; n.worker[p].step = 0 })
	}
}

// operatorMoves is a person, who asks the processor and says what it says. In
// between, time goes by.
func (w *world) operatorMoves(s *modelState, add adder) {
	o := s.operator
	a := o.attempt
	switch o.step {
	case 0:
		for a := range int8(modelAttempts) {
			if s.doubtful(a) && (s.lock[a] == nobody || !w.has(ruleLock)) {
				add(fmt.Sprintf("operator: takes up attempt %d", a+1), func(n *modelState) {
					n.operator.step, n.operator.attempt = 1, a
					if n.lock[a] == nobody {
						n.lock[a] = operatorHolds
					}
				})
			}
		}
	case 1:
		finds := verdictVoid
		if s.charges[a] > 0 {
			finds = verdictReleased
		}
		add("operator: asks the processor", func(n *modelState) { n.operator.step, n.operator.finds = 2, finds })
	case 2:
		add("operator: resolves", func(n *modelState) {
			if n.lock[a] == operatorHolds {
				n.lock[a] = nobody
			}
			n.operator.step = 0
			if w.write(n, a, o.finds) && o.finds == verdictReleased {
				n.due[a] = true
			}
		})
	}
}

// harm says what is wrong with a state, or with one in which nothing can
// happen any more.
func (s *modelState) harm(final bool) string {
	charged := 0
	for a := range s.charges {
		charged += int(s.charges[a])
		if s.received[a] && s.outcome[a] != verdictReleased {
			return "a leg was delivered whose sale is not released"
		}
		if s.charges[a] > 0 && s.outcome[a] == verdictVoid {
			return "an attempt was charged, and is void"
		}
		if s.charges[a] == 0 && s.outcome[a] == verdictReleased {
			return "a sale is released that nobody charged"
		}
	}
	if charged > 1 {
		return "the card was charged twice"
	}
	for i := range s.request {
		switch told := s.request[i].told; {
		case told == verdictReleased && charged == 0:
			return "the caller was told of a sale that was not charged"
		case told == verdictVoid && charged > 0 && i == 0 && s.charges[0] > 0:
			return "the caller was told that nothing was sent, and it was charged"
		}
	}
	if !final {
		return ""
	}
	for a := range s.charges {
		switch {
		case s.charges[a] > 0 && s.outcome[a] != verdictReleased && s.outcome[a] != verdictNone:
			return "a charged sale is not released in the end"
		case s.outcome[a] == verdictReleased && !s.received[a]:
			return "a released sale never reached the record"
		case s.claim[a] != nobody && s.outcome[a] == verdictNone:
			return "an attempt stays open for ever"
		}
	}
	return ""
}

// explore tries every order of steps. It returns the states, and the shortest
// way to harm, if there is one.
func (w *world) explore() (states int, harm string, way []string) {
	type origin struct {
		from int
		what string
	}
	start := w.start()
	seen := map[modelState]struct{}{start: {}}
	list := []modelState{start}
	origins := []origin{{-1, "start"}}
	trace := func(i int) (way []string) {
		for ; i >= 0; i = origins[i].from {
			way = append([]string{origins[i].what}, way...)
		}
		return way
	}
	for i := 0; i < len(list); i++ {
		next := w.moves(list[i])
		if h := list[i].harm(final(list[i], next)); h != "" {
			return len(list), h, trace(i)
		}
		for _, m := range next {
			if _, ok := seen[m.state]; ok {
				continue
			}
			seen[m.state] = struct{}{}
			list = append(list, m.state)
			origins = append(origins, origin{i, m.what})
		}
	}
	return len(list), "", nil
}

// final reports whether nothing can happen any more but that requests arrive,
// and something could: a proxy is up.
func final(s modelState, next []move) bool {
	up := false
	for p := range s.boot {
		up = up || s.boot[p] >= 0
		if s.stale[p] {
			return false
		}
	}
	for _, m := range next {
		if !strings.Contains(m.what, "arrives") && !strings.Contains(m.what, ": dies") && !strings.Contains(m.what, "is paused") && !strings.Contains(m.what, ": starts") {
			return false
		}
	}
	return up
}

func TestProtocol(t *testing.T) {
	for _, c := range []struct {
		name  string
		large bool
		w     world
	}{
		{"hold", false, world{requests: 2, faults: 1, pauses: 1}},
		{"hold, and a crash", true, world{requests: 2, crashes: 1, faults: 1, pauses: 1}},
		{"hold, a repeat and another card", true, world{requests: 3, faults: 1}},
		{"hold, two crashes", true, world{requests: 2, crashes: 2, faults: 1}},
		{"retry", false, world{retry: true, idempotent: true, requests: 2, faults: 1, pauses: 1}},
		{"retry, and a crash", true, world{retry: true, idempotent: true, requests: 2, crashes: 1, faults: 1, pauses: 1}},
		{"retry, a repeat and another card", true, world{retry: true, idempotent: true, requests: 3, crashes: 1}},
		{"retry, two faults", true, world{retry: true, idempotent: true, requests: 2, faults: 2, pauses: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.large && raceEnabled {
				t.Skip("without the race detector only: there is nothing here that runs side by side")
			}
			c.w.rules = allRules
			states, harm, way := c.w.explore()
			if harm != "" {
				t.Fatalf("%s:\n  %s", harm, strings.Join(way, "\n  "))
			}
			t.Logf("%d states", states)
		})
	}
}

func TestProtocolNeedsItsRules(t *testing.T) {
	hold := world{requests: 2, crashes: 1, faults: 1, pauses: 1}
	retry := world{retry: true, idempotent: true, requests: 2, crashes: 1, faults: 1, pauses: 1}
	once := world{retry: true, requests: 2, crashes: 1, faults: 1, pauses: 1}
	for _, c := range []struct {
		name    string
		without rule
		w       world
	}{
		{"nothing is sent without a claim", ruleClaimFirst, hold},
		{"nothing is sent under an old lease", ruleLease | ruleOneLease, hold},
		{"nothing is sent under a lease that was lost since the claim", ruleOneLease, hold},
		{"queues are rebuilt", ruleRebuild, hold},
		{"who sends again holds a lock", ruleLock, retry},
		{"and looks again", ruleLookAgain, retry},
		{"a lost answer is doubt", ruleInDoubtHolds, hold},
		{"nor does the claimant end it", ruleVoidUnlessDoubt, retry},
		{"who sends again says so first", ruleMarkFirst, retry},
		{"only an idempotent primary is asked again", ruleOnlyIdempotent, once},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.w.rules = allRules &^ c.without
			states, harm, way := c.w.explore()
			if harm == "" {
				t.Fatalf("%d states, and no harm: the rule is not needed, or the model does not see why", states)
			}
			t.Logf("%s, in %d steps:\n  %s", harm, len(way), strings.Join(way, "\n  "))
		})
	}
}
