package proxy

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules/reason"
	"chaperone/store"
)

// A sync leg is a queued one in all but this: when its outcome is stored and
// released, the request that released it delivers it at once, and the caller
// waits for that. For the store the leg is leased from the start, as one that
// is handed over (handover.go). What is not accepted in time stays queued.

// await delivers the sync legs that the stored outcome has released, side by
// side, and writes into the answer where they stand. No failure here changes
// the outcome. ours says that the outcome is stored, and this exchange's.
func (x *exchange) await(ours bool) {
	if len(x.awaited) == 0 {
		return
	}
	legs := x.awaited
	x.awaited = nil
	if !ours {
		return // whoever finds them in the store looks at their registers
	}
	began := time.Now()
	var sent []*parcel
	var all sync.WaitGroup
	for _, p := range legs {
		if !x.myTurn(p) {
			continue // older ones of its order wait, and it waits behind them
		}
		p.claim = &x.claim
		for i := range x.claim.Legs {
			if x.claim.Legs[i].Leg == p.member.N {
				p.leg = &x.claim.Legs[i]
			}
		}
		sent = append(sent, p)
		all.Go(func() { x.s.outbox.deliverNow(p) })
	}
	all.Wait()
	x.waited += time.Since(began)
	x.s.outbox.recordAwaited(sent)
	for _, p := range sent {
		if p.status > 0 {
			l := &x.legs[p.member.N]
			l.state, l.status = audit.LegDelivered, p.status
		}
	}
	x.ctx.Response.Header.Set(headerLegs, x.legsHeader(audit.ResultReleased))
}

// deliverNow tries a leased leg once, while its request waits. p.status is the
// status that accepted it, else 0, and the leg is where a try that failed
// leaves it.
func (b *outbox) deliverNow(p *parcel) {
	b.setBusy(p.item.Member, true)
	defer b.setBusy(p.item.Member, false)
	p.policy = b.s.policy.Load()
	if why := p.decide(b.s.clock()); why != "" {
		b.park(p, why)
		return
	}
	l, now := b.laneOf(p.leg.To), b.s.clock()
	// A destination that is known to fail is not waited for. And where the
	// outcome took long, another process may take the leg before this one ends.
	if l != nil && l.breaker.isOpen.Load() || !b.s.leaseHolds() || now.Add(p.to.timeout).UnixMilli() >= p.item.Score {
		b.move(p, now)
		b.wakeLane(p.leg.To)
		return
	}
	status, err := b.send(p)
	if judge(p.how, status, err, &p.trial) != accepted {
		b.failed(p, status, err)
		return
	}
	if l != nil {
		l.works()
	}
	p.policy.metrics.Leg(p.to.index, admin.LegAccepted)
	p.status = status
}

// recordAwaited puts on record which of the legs that a request waited for were
// accepted.
func (b *outbox) recordAwaited(sent []*parcel) {
	var accepted []*parcel
	for _, p := range sent {
		if p.status > 0 {
			accepted = append(accepted, p)
		}
	}
	if len(accepted) == 0 {
		return
	}
	b.recordDelivered(new(recordWriter), accepted)
	for _, p := range accepted {
		if p.member.Group != "" {
			b.wakeLane(p.leg.To) // what waited behind it may be due now
		}
	}
}

// noteAwaited is the reason in a delivery register of a leg that was delivered
// while its request waited.
const noteAwaited = "awaited"

// keptSync stands, with the leg's number behind it, in the stored
// Chaperone-Legs for what became of a sync leg: the outcome is stored before
// that is known.
const keptSync = "sync."

// legsToKeep makes the Chaperone-Legs that is stored with an outcome; said is
// the one that the answer bears by now.
func (x *exchange) legsToKeep(result audit.Result, said string) string {
	if result != audit.ResultReleased || !x.hasSync() {
		return said
	}
	return x.legsText(result, true)
}

func (x *exchange) hasSync() bool {
	for i := range x.p.plan.Routes[x.route].Legs {
		if x.p.plan.Routes[x.route].Legs[i].Sync {
			return true
		}
	}
	return false
}

// legsKept gives, of a stored Chaperone-Legs, what the first answer said: by
// the delivery registers.
func (x *exchange) legsKept(c *claim, legs string) (string, *reason.Error) {
	if !strings.Contains(legs, "="+keptSync) {
		return legs, nil
	}
	words := strings.Split(legs, " ")
	var reads []store.Command
	var at []int
	for i, word := range words {
		_, number, ok := strings.Cut(word, "="+keptSync)
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		reads = append(reads, store.Command{Kind: store.Get, Key: store.DeliveryKey(x.key, x.attempt, n)})
		at = append(at, i)
	}
	if e := x.lookUp(reads); e != nil {
		return "", e
	}
	for i := range reads {
		name, _, _ := strings.Cut(words[at[i]], "=")
		words[at[i]] = name + "=" + audit.LegQueued.String()
		plain, err := x.s.ring.Open(nil, reads[i].Prior, []byte(reads[i].Key))
		var n note
		if err == nil && n.parse(plain) == nil && n.Owner == c.Request && n.Reason == noteAwaited {
			words[at[i]] = name + "=" + strconv.Itoa(n.Status)
		}
	}
	return strings.Join(words, " "), nil
}

// lookUp reads registers beside the committer. Where the store is away it gives
// what this process knows, and x.blind says so.
func (x *exchange) lookUp(reads []store.Command) *reason.Error {
	var err error
	if x.blind, err = x.s.read(reads); err != nil {
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	}
	return nil
}
