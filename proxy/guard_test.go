package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/store/redistest"
)

// redisBed is a bed on a Redis of its own.
type redisBed struct {
	*bed
	redis *redistest.Server
}

func newRedisBed(t *testing.T, change ...func(*bed)) *redisBed {
	t.Helper()
	r := redistest.Start(t, redistest.Options{})
	return &redisBed{newBed(t, append([]func(*bed){onRedis(t, r)}, change...)...), r}
}

// do runs a command of Redis.
func (b *redisBed) do(args ...any) string {
	b.t.Helper()
	out, err := b.redis.Do(args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// keys gives the registers whose names match.
func (b *redisBed) keys(pattern string) []string {
	b.t.Helper()
	all, err := b.redis.Client().Keys(b.t.Context(), pattern).Result()
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// value reads a register past the proxy.
func (b *redisBed) value(key string) []byte {
	b.t.Helper()
	return []byte(b.do("GET", key))
}

// lose takes registers away and has Redis start again, as after a failover to a
// replica that had not got them; then it waits until that is noticed.
func (b *redisBed) lose(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		if b.do("DEL", key) != "1" {
			b.t.Fatalf("%s was not there", key)
		}
	}
	before := b.server.committer.Stats().Failovers
	b.redis.Restart(b.t)
	b.until("the failover is noticed", func() bool { return b.server.committer.Stats().Failovers > before && b.server.committer.Healthy() })
}

// alarms gives what the log says of a reason: the target of each alarm.
func (b *bed) alarms(code reason.Code) (targets []string) {
	b.t.Helper()
	for _, e := range b.entries() {
		if e.Kind == audit.KindAlarm && e.Reason == code {
			targets = append(targets, string(e.Target))
		}
	}
	return targets
}

const keyringKey = "m:keyring"

// TestFlushedKeyring empties the store under a proxy that has nothing to do.
// The register of its keyring is there again, and that is on record; the proxy
// can be started again, and one with another keyring cannot.
func TestFlushedKeyring(t *testing.T) {
	b := newRedisBed(t)
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	for n := 1; n <= 2; n++ {
		b.do("FLUSHALL")
		b.until("the store is tied again", func() bool { return string(b.value(keyringKey)) == b.ring.ID() })
		want := slices.Repeat([]string{"keyring " + b.ring.ID()}, n)
		b.until("it is on record", func() bool { return slices.Equal(b.alarms(reason.KeyringUntied), want) })
	}
	if got := b.alarms(reason.KeyringForeign); len(got) != 0 {
		t.Errorf("alarms: %v", got)
	}
	if _, text := b.page("/metrics"); !strings.Contains(text, "chaperone_store_keyring_foreign 0\n") {
		t.Error("the metric says that the store is another's")
	}
	if logs := b.logs.String(); strings.Count(logs, "the store had lost which keyring it belongs to") != 2 {
		t.Errorf("it is not said twice:\n%s", logs)
	}
	b.restart()
	if a := b.post("/v1/checkout", sale(t, "after")); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestForeignKeyring has the store belong to another keyring while a proxy runs:
// that is never overwritten, and is an alarm until it is put right.
func TestForeignKeyring(t *testing.T) {
	b := newRedisBed(t)
	shows := func(n int) func() bool {
		return func() bool {
			_, text := b.page("/metrics")
			return strings.Contains(text, "chaperone_store_keyring_foreign "+strconv.Itoa(n)+"\n")
		}
	}
	b.do("SET", keyringKey, "somebody-elses")
	b.until("the metric says so", shows(1))
	if status, text := b.page("/readyz"); status != 200 || !strings.Contains(text, "belongs to another keyring") {
		t.Errorf("/readyz: %d %s", status, text)
	}
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	want := []string{"keyring somebody-elses"}
	onRecord := func() bool { return slices.Equal(b.alarms(reason.KeyringForeign), want) }
	b.until("it is on record", onRecord)
	// It is said once, however often it is looked at. The running guard is its
	// goroutine's alone.
	g := newGuard(b.server)
	for range 5 {
		g.judge("another-keyring")
	}
	want = append(want, "keyring another-keyring")
	b.until("what another guard finds is on record once", onRecord)
	if got := string(b.value(keyringKey)); got != "somebody-elses" {
		t.Errorf("the store belongs to %s", got)
	}
	b.do("SET", keyringKey, b.ring.ID())
	b.until("the metric says that it is over", shows(0))
	if got := b.alarms(reason.KeyringForeign); !slices.Equal(got, want) {
		t.Errorf("alarms: %v, want %v", got, want)
	}
	if got := b.alarms(reason.KeyringUntied); len(got) != 0 {
		t.Errorf("alarms: %v", got)
	}
}

// TestForgetAfterLoss: what a process remembers of a store that was emptied is
// written again with the next sale: the token that it took for known, and the
// person's id, which stays the same. What it had learned from the store is not
// among what the committer sends again.
func TestForgetAfterLoss(t *testing.T) {
	b := newRedisBed(t)
	b.post("/v1/checkout", sale(t, "first"))
	b.ehr.await(t, 1)
	b.ledger.await(t, 1)
	b.restart()
	b.post("/v1/checkout", sale(t, "second"))
	b.ehr.await(t, 2)
	b.ledger.await(t, 2)
	tokens, subjects := b.keys("t:*"), b.keys("s:*")
	if len(tokens) != 1 || len(subjects) != 1 {
		t.Fatalf("tokens %v, subjects %v", tokens, subjects)
	}
	id := b.server.subjectIn(subjects[0], b.value(subjects[0]))
	b.do("FLUSHALL")
	b.until("the store is tied again", func() bool { return string(b.value(keyringKey)) == b.ring.ID() })
	if again := b.keys("[ts]:*"); len(again) != 0 {
		t.Fatalf("%v is there already", again)
	}
	if a := b.post("/v1/checkout", sale(t, "third")); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if again := b.keys("t:*"); !slices.Equal(again, tokens) {
		t.Errorf("tokens %v, want %v", again, tokens)
	}
	if again := b.keys("s:*"); !slices.Equal(again, subjects) || b.server.subjectIn(subjects[0], b.value(subjects[0])) != id {
		t.Errorf("subjects %v, want %v with the same id", again, subjects)
	}
}

// TestSubjectSurvivesFailover: the id of a person is there again after a
// failover, though the person does not come again.
func TestSubjectSurvivesFailover(t *testing.T) {
	b := newRedisBed(t)
	b.post("/v1/checkout", checkout(t))
	subjects := b.keys("s:*")
	if len(subjects) != 1 {
		t.Fatalf("subjects %v", subjects)
	}
	before := b.value(subjects[0])
	b.lose(subjects...)
	b.until("it is back", func() bool { return bytes.Equal(b.value(subjects[0]), before) })
}

// TestTurnSurvivesFailover: who has the turn to send a sale again has it after a
// failover as well, and the mark that it was perhaps sent is there; a turn that
// was given back does not come again.
func TestTurnSurvivesFailover(t *testing.T) {
	b := newRedisBed(t)
	ref := store.Ref{K: "abcdefghijkl", A: 1}
	again, unknown := store.AgainKey(ref.K, ref.A), store.UnknownKey(ref.K, ref.A)
	turn, err := b.server.takeTurn(t.Context(), ref, "one", time.Minute)
	if err != nil || turn == nil {
		t.Fatalf("%v %v", turn, err)
	}
	b.lose(again, unknown)
	b.until("both are back", func() bool { return len(b.keys("{r."+ref.K+"}:*")) == 2 })
	if other, err := b.server.takeTurn(t.Context(), ref, "another", time.Minute); err != nil || other != nil {
		t.Errorf("another takes the turn: %v %v", other, err)
	}
	turn.giveBack(t.Context())
	b.lose(unknown)
	b.until("the mark is back", func() bool { return len(b.keys(unknown)) == 1 })
	if other, err := b.server.takeTurn(t.Context(), ref, "another", time.Minute); err != nil || other == nil {
		t.Errorf("a turn that was given back: %v %v", other, err)
	}
}

// TestLateUndoSurvivesFailover: that a claim whose legs wait does not end, since
// the outcome which would have ended it came too late, holds after a failover.
func TestLateUndoSurvivesFailover(t *testing.T) {
	b := newRedisBed(t)
	b.ledger.setAnswer(always(503, "{}"))
	if a := b.post("/v1/checkout", checkout(t)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	refs := b.allClaims()
	if len(refs) != 1 {
		t.Fatalf("claims %v", refs)
	}
	claim, outcome := store.ClaimKey(refs[0].K, refs[0].A), store.OutcomeKey(refs[0].K, refs[0].A)
	ends := func() {
		for _, key := range []string{claim, outcome} {
			b.do("PEXPIRE", key, time.Hour.Milliseconds())
		}
	}
	lives := func() bool { return b.do("PTTL", claim) == "-1" && b.do("PTTL", outcome) == "-1" }
	ends()
	b.server.lateOutcome(refs[0])
	b.until("it does not end", lives)
	ends()
	b.lose()
	b.until("it does not end after a failover", lives)
}

// TestQueuesAreRebuiltAfterLoss: legs whose place in the queue is lost, and which
// another process had put there, are found again at once.
func TestQueuesAreRebuiltAfterLoss(t *testing.T) {
	b := newRedisBed(t, func(b *bed) {
		b.tune = func(o *Options) {
			o.Outbox = OutboxOptions{FirstDelay: time.Hour, LongestWait: time.Hour, FirstProbe: time.Hour, LongestProbe: time.Hour}
		}
	})
	b.ledger.setAnswer(always(422, "{}"))
	b.post("/v1/checkout", checkout(t))
	b.ledger.await(t, 1)
	b.until("it waits", func() bool { legs := b.legs(""); return len(legs) == 1 && legs[0].Tries == 1 })
	b.restart()
	b.until("the queues are rebuilt at the start", func() bool { return strings.Count(b.logs.String(), "the queues are rebuilt") == 2 })
	b.ledger.setAnswer(always(201, "{}"))
	b.lose(b.keys("{q.*}:due*")...)
	b.ledger.await(t, 2)
	b.until("nothing waits", func() bool { return len(b.legs("")) == 0 })
}
