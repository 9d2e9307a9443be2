package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"time"

	"chaperone/bench/peers"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/vault"
	"chaperone/vault/keys"
)

// routeTokenize is the place of the route in the policy whose edits the peers
// make, too.
const routeTokenize = 1

// speeds are of the engine by itself, and of others on the same edits.
type speeds struct {
	Bodies []bodySpeed  `json:"bodies"`
	Tokens []tokenSpeed `json:"tokens"`
}

// bodySpeed is of one size of body.
type bodySpeed struct {
	Name  string      `json:"name"`
	Bytes int         `json:"bytes"`
	Edits []editSpeed `json:"edits"`
}

// editSpeed is of one program. Ratio is its time in those of the engine.
type editSpeed struct {
	Name        string  `json:"name"`
	Nanoseconds stat    `json:"ns"`
	Megabytes   stat    `json:"mb_per_second"`
	Allocations float64 `json:"allocations"`
	Ratio       stat    `json:"times_engine"`
}

type tokenSpeed struct {
	Name        string `json:"name"`
	Nanoseconds stat   `json:"ns"`
}

// compilePolicy makes an engine of a policy that needs no other files.
func compilePolicy(text []byte) (*rewrite.Engine, error) {
	text = bytes.ReplaceAll(text, []byte("STUB"), []byte("127.0.0.1:9101"))
	text = bytes.ReplaceAll(text, []byte("HASH"), bytes.Repeat([]byte("0"), 64))
	plan, ds := rules.LoadBytes("rules.yaml", text, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
	if ds.HasErrors() {
		return nil, fmt.Errorf("%v", ds)
	}
	engine, ds := rewrite.Compile(plan)
	if ds.HasErrors() {
		return nil, fmt.Errorf("%v", ds)
	}
	return engine, nil
}

// constant resolves every token operation to the peers' token: what a token
// costs is measured apart.
type constant struct{}

var constantToken = []byte(peers.Token)

func (constant) Resolve(_ context.Context, ops []rewrite.TokenOp) error {
	for i := range ops {
		ops[i].Result = constantToken
	}
	return nil
}

// withEngine makes the engine's way through some legs of a route, with
// everything used again: scan, decide, render.
func withEngine(e *rewrite.Engine, route, legs int) peers.Edit {
	m := e.NewMessage()
	views := make([]*rewrite.View, legs)
	for i := range views {
		views[i] = e.NewView()
	}
	var out []byte
	return func(body []byte) ([]byte, error) {
		if err := e.ScanRequest(m, route, body, rewrite.Limits{Depth: 1 << 20}); err != nil {
			return nil, err
		}
		defer m.Reset()
		for i, v := range views {
			if err := e.DecideLeg(m, i, v); err != nil {
				return nil, err
			}
		}
		if err := (constant{}).Resolve(context.Background(), m.Ops()); err != nil {
			return nil, err
		}
		for _, v := range views {
			rendered, err := v.Render(out[:0])
			if err != nil {
				return nil, err
			}
			out = rendered
		}
		return out, nil
	}
}

// manyItems returns the basket with its items over and over.
func manyItems(times int) []byte {
	from := bytes.Index(basket, []byte(`"items": [`)) + len(`"items": [`)
	to := bytes.Index(basket, []byte("\n  ],"))
	body := bytes.Clone(basket[:to])
	for range times - 1 {
		body = append(append(body, ','), basket[from:to]...)
	}
	return append(body, basket[to:]...)
}

// withPhoto returns the basket with n bytes of base64 in a member that no rule
// speaks of.
func withPhoto(n int) []byte {
	picture := make([]byte, n/4*3)
	_, _ = rand.NewChaCha8([32]byte{}).Read(picture) // never fails
	photo := base64.StdEncoding.AppendEncode([]byte(`{"photo":"`), picture)
	return append(append(photo, `",`...), basket[1:]...)
}

// smallBody is a basket of one item.
var smallBody = []byte(`{"transaction_id":"IDIDIDIDIDID","currency":"USD","patient":{"id":"PT-1"},` +
	`"items":[{"sku":"GC-1","category":"giftcard","qty":1}],"payment":{"method":"keyed","card":{"number":"` + card + `","cvv":"737"}}}`)

// repeat calls f for about as long as asked, at least once, and returns the
// nanoseconds that one call took of this process's CPU time, the collector's
// share included: others that are busy do not make it longer.
func repeat(atLeast time.Duration, f func() error) (float64, error) {
	start, n := ownTime(), 0
	for batch := 1; ; batch *= 2 {
		for range batch {
			if err := f(); err != nil {
				return 0, err
			}
		}
		n += batch
		if took := ownTime() - start; took >= atLeast {
			return float64(took.Nanoseconds()) / float64(n), nil
		}
	}
}

// allocations counts those of one call.
func allocations(f func() error) (float64, error) {
	const times = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if err := f(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / times), nil
}

// measureEngine drives the engine and its peers in turns.
func measureEngine(ctx context.Context, s settings) (*speeds, error) {
	e, err := compilePolicy(rulesTemplate)
	if err != nil {
		return nil, err
	}
	turns, each := 2*s.rounds+1, 30*time.Millisecond
	if s.short {
		turns, each = 3, 5*time.Millisecond
	}
	edits := []struct {
		name string
		edit peers.Edit
	}{{"engine", withEngine(e, routeTokenize, 1)}, {"gjson+sjson", peers.GJSON}, {"encoding/json", peers.Standard}}
	res := &speeds{}
	for _, b := range []struct {
		name string
		body []byte
	}{{"small, one item", smallBody}, {"typical, 5 items", basket}, {"large, 1,000 items", manyItems(200)}, {"a photo in base64", withPhoto(10_000_000)}} {
		speed := bodySpeed{Name: b.name, Bytes: len(b.body)}
		ns, mb, ratios := make([][]float64, len(edits)), make([][]float64, len(edits)), make([][]float64, len(edits))
		for range turns {
			for i, p := range edits {
				took, err := repeat(each, func() error { _, err := p.edit(b.body); return err })
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", b.name, p.name, err)
				}
				ns[i] = append(ns[i], took)
				mb[i] = append(mb[i], float64(len(b.body))*1000/took)
				ratios[i] = append(ratios[i], took/ns[0][len(ns[0])-1])
			}
		}
		for i, p := range edits {
			n, err := allocations(func() error { _, err := p.edit(b.body); return err })
			if err != nil {
				return nil, err
			}
			speed.Edits = append(speed.Edits, editSpeed{p.name, statOf(ns[i]), statOf(mb[i]), n, statOf(ratios[i])})
		}
		res.Bodies = append(res.Bodies, speed)
	}
	res.Tokens, err = measureTokens(turns, each)
	return res, err
}

// measureTokens measures tokens, which need no network.
func measureTokens(turns int, each time.Duration) ([]tokenSpeed, error) {
	ring := keys.Ephemeral()
	defer ring.Close()
	tokens := vault.New(ring, "default")
	tag := [4]byte{'b', 'e', 'n', 'c'}
	number, buf := []byte(card), make([]byte, 0, 256)
	pan, err := tokens.MintPAN(nil, number)
	if err != nil {
		return nil, err
	}
	index := tokens.IndexKey(nil, pan)
	sealed := tokens.Seal(nil, "phi", tag, number, true, false)
	list := []struct {
		name string
		f    func() error
	}{
		{"pan, make", func() error { _, err := tokens.MintPAN(buf, number); return err }},
		{"pan, reveal", func() error { _, err := tokens.RevealKnown(buf, pan, index); return err }},
		{"sealed, make", func() error { tokens.Seal(buf, "phi", tag, number, true, false); return nil }},
		{"sealed, reveal", func() error { _, _, err := tokens.Unseal(buf, "phi", sealed); return err }},
	}
	took := make([][]float64, len(list))
	for range turns {
		for i, t := range list {
			ns, err := repeat(each, t.f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			took[i] = append(took[i], ns)
		}
	}
	var res []tokenSpeed
	for i, t := range list {
		res = append(res, tokenSpeed{t.name, statOf(took[i])})
	}
	return res, nil
}

// count is the role that runs the engine over a fixed corpus, so that the gate
// can count its instructions: count ROUTE N, ROUTE N and so on. All legs of a
// route are decided and rendered.
func count(args []string) error {
	if len(args) == 0 || len(args)%2 != 0 {
		return errors.New("wants pairs of arguments: ROUTE N")
	}
	e, err := compilePolicy(rulesTemplate)
	if err != nil {
		return err
	}
	for ; len(args) > 0; args = args[2:] {
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		i := slices.IndexFunc(e.Plan().Routes, func(r rules.Route) bool { return r.Name == args[0] })
		if i < 0 {
			return fmt.Errorf("there is no route %s", args[0])
		}
		legs := len(e.Plan().Routes[i].Legs)
		corpus := [][]byte{basket, smallBody}
		if legs > 1 {
			corpus = corpus[:1] // the small body has nothing to divide
		}
		edit := withEngine(e, i, legs)
		for range n {
			for _, body := range corpus {
				if _, err := edit(body); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
