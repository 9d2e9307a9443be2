package rewrite

import (
	"context"
	"testing"

	"chaperone/rules"
	"chaperone/rules/reason"
)

func TestTexts(t *testing.T) {
	sealed := "SEALED"
	tests := []struct {
		name   string
		sees   string
		source rules.Source
		key    string
		text   string
		want   string
		drop   bool
		err    reason.Code
	}{
		{name: "unlabelled", sees: "{}", source: rules.SourceQuery, key: "q", text: `a "b"`, want: `a "b"`},
		{name: "labelled, dropped", sees: "{}", source: rules.SourceQuery, key: "staff", text: "x", drop: true},
		{name: "the same name elsewhere", sees: "{}", source: rules.SourceHeader, key: "staff", text: "x", want: "x"},
		{name: "a header", sees: "{staff: mask}", source: rules.SourceHeader, key: "X-Staff", text: "x", want: "****"},
		{name: "a capture", sees: "{staff: plain}", source: rules.SourceCapture, key: "staff", text: "x", want: "x"},
		{name: "sealed", sees: "{staff: token}", source: rules.SourceQuery, key: "staff", text: "Ann", want: "tok_"},
		{name: "blocked", sees: "{staff: block}", source: rules.SourceQuery, key: "staff", text: "x", err: reason.Blocked},
		{name: "alias", sees: "{staff: alias}", source: rules.SourceQuery, key: "staff", text: "x", want: string(alias(0, []byte("x")))},
		{name: "a card", sees: "{pan: token}", source: rules.SourceQuery, key: "q", text: "n=4111111111111111;", want: "n=" + tok(card) + ";"},
		{name: "a card, dropped", sees: "{}", source: rules.SourceQuery, key: "q", text: "4111111111111111", want: "[pan]"},
		{name: "a sealed token", sees: "{phi: plain}", source: rules.SourceQuery, key: "q", text: sealed, want: `Ms X`},
		{name: "not UTF-8", sees: "{}", source: rules.SourceHeader, key: "X-A", text: "\xff", err: reason.HeadMalformed},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, c.sees, "keep: all", "")
			vault := newFakeVault(e.Plan())
			if c.text == sealed {
				c.text = string(vault.sealed(e.Plan().Label("phi"), []byte(`"Ms \u0058"`), false))
			}
			m, v := e.NewMessage(), e.NewView()
			if err := e.ScanNothing(m, 0); err != nil {
				t.Fatal(err)
			}
			if err := e.DecideLeg(m, 0, v); err != nil {
				t.Fatal(err)
			}
			text, err := v.DecideText(c.source, c.key, []byte(c.text))
			if c.err != "" {
				if err == nil || err.Code != c.err {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := vault.Resolve(context.Background(), m.Ops()); err != nil {
				t.Fatal(err)
			}
			got, err := v.AppendText(nil, text)
			if err != nil || text.Dropped() != c.drop {
				t.Fatalf("%v, dropped %v", err, text.Dropped())
			}
			if c.want == "tok_" {
				got = got[:4]
			}
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if b, err := v.Render(nil); err != nil || len(b) != 0 {
				t.Errorf("a request without a body has one: %q, %v", b, err)
			}
		})
	}
}
