package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/vault/keys"
	"chaperone/vault/letters"
)

// oldLog gives a data folder the log of a proxy of long ago: a hundred sales of
// one patient, whose subject's id is put into SUBJECT, four hours apart and the
// last of them 200 days old. The first one made a card token.
func oldLog(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "oldlog CONFIG", args, len(args) == 1 && !neg)
	subject, err := writeOldLog(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("SUBJECT", subject)
}

func writeOldLog(configFile string) (subject string, err error) {
	ctx := context.Background()
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	cfg, err := a.openConfig(configFile)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, a.err)
	}
	d, err := cfg.openDriver(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer d.Close()
	ring, err := keys.OpenLocal(ctx, keys.LocalOptions{Dir: cfg.data})
	if err != nil {
		return "", err
	}
	defer ring.Close()
	chain := "node-" + letters.Random(20)
	c, err := store.NewCommitter(ctx, d, store.CommitterOptions{Chain: chain, Deadline: time.Minute})
	if err != nil {
		return "", err
	}
	subject = letters.Random(20)
	sealing := audit.NewSealing(ring, chain)
	for i := range 100 {
		at := time.Now().AddDate(0, 0, -200).Add(time.Duration(i-100) * 4 * time.Hour)
		request, key := audit.ID(letters.Random(20)), audit.ID(letters.Random(32))
		entries := []audit.Entry{
			{Kind: audit.KindDecision, Result: audit.ResultForwarded,
				Legs: []audit.Leg{{Name: "processor", To: "processor", State: audit.LegPrimary}, {Name: "record", To: "record", State: audit.LegHeld}},
				Decisions: []audit.Decision{{Rule: "labels.phi", Pattern: "name", Label: "phi", Form: "plain", To: "record", Count: 2},
					{Rule: "labels.pan", Pattern: "card", Label: "pan", Form: "drop", To: "record", Count: 1},
					{Rule: "labels.pan", Pattern: "card", Label: "pan", Form: "token", To: "processor", Count: 1}}},
			{Kind: audit.KindOutcome, Result: audit.ResultReleased,
				Legs: []audit.Leg{{Name: "processor", To: "processor", State: audit.LegPrimary, Status: 200}, {Name: "record", To: "record", State: audit.LegQueued}}},
			{Kind: audit.KindDelivery, Result: audit.ResultDelivered, Legs: []audit.Leg{{Name: "record", To: "record", State: audit.LegDelivered, Status: 201, Tries: 1}}},
		}
		if i == 0 {
			entries[0].Tokens = []audit.Token{{Scope: "default", Label: "pan", Format: "pan", Key: audit.ID(letters.Random(32))}}
		}
		var u store.Unit
		for j := range entries {
			e := &entries[j]
			e.Time, e.Request, e.Key, e.Attempt, e.Caller, e.Route = at.Add(time.Duration(j)*time.Second), request, key, 1, "front-desk", "note"
			e.Subject, e.Purpose = audit.ID(subject), "research"
			u.Entries = append(u.Entries, sealing.Seal(nil, e))
		}
		if err := c.Commit(ctx, &u); err != nil {
			return "", err
		}
	}
	return subject, c.Close(ctx)
}
