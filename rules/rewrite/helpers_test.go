package rewrite

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/reason"
)

// card and amex are test numbers of the networks, typo is nearly one.
const (
	card = "4111111111111111"
	amex = "378282246310005"
	typo = "4111111111111112"
)

// load compiles a policy text; word lists are not read.
func load(t testing.TB, policy string) *rules.Plan {
	t.Helper()
	plan, diags := rules.LoadBytes("rules.yaml", []byte(policy), func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("..", "..", "deploy", "medspa", name))
	})
	if diags.HasErrors() {
		for _, d := range diags {
			t.Log(d)
		}
		t.Fatal("the test's policy has mistakes")
	}
	return plan
}

func compile(t testing.TB, policy string) *Engine {
	t.Helper()
	e, diags := Compile(load(t, policy))
	if len(diags) > 0 {
		t.Fatalf("diagnostics: %v", diags)
	}
	return e
}

// medspa is the engine of the sample policy.
func medspa(t testing.TB) *Engine {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "deploy", "medspa", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, string(src))
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "medspa", "bodies", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fakeVault is a Resolver with tokens of the right shapes and nothing secret.
type fakeVault struct {
	known map[string]string // token → plaintext
	label map[string]rules.LabelID
	frag  map[string]bool
	plan  *rules.Plan
}

func newFakeVault(p *rules.Plan) *fakeVault {
	return &fakeVault{known: map[string]string{}, label: map[string]rules.LabelID{}, frag: map[string]bool{}, plan: p}
}

var lettersOnly = base32.NewEncoding("abcdefghijkmnpqrstuvwxyzACDEFHJK").WithPadding(base32.NoPadding)

// pan makes a token: as many digits, first digit 7, same last four, and a
// digit before those that keeps it from being Luhn-valid.
func (f *fakeVault) pan(digits []byte) []byte {
	token := bytes.Clone(digits)
	token[0] = '7'
	for token[len(token)-5] = '0'; detect.Luhn(token); token[len(token)-5]++ {
	}
	f.known[string(token)] = string(digits)
	return token
}

func (f *fakeVault) sealed(label rules.LabelID, plaintext []byte, fragment bool) []byte {
	tag := [4]byte{'a', 'a', 'a', 'a'}
	if label != rules.NoLabel {
		tag = f.plan.Labels[label].Tag
	}
	token := "tok_" + string(tag[:]) + "abcdefghijkmnpqrstuv" + lettersOnly.EncodeToString(plaintext)
	f.known[token], f.label[token], f.frag[token] = string(plaintext), label, fragment
	return []byte(token)
}

func alias(destination int, value []byte) []byte {
	return []byte(fmt.Sprintf("al_%c%s", 'a'+destination, lettersOnly.EncodeToString(value)))
}

func (f *fakeVault) Resolve(_ context.Context, ops []TokenOp) error {
	for i := range ops {
		op := &ops[i]
		if len(op.Result) > 0 {
			continue
		}
		switch {
		case op.Kind == Mint && op.Format == rules.FormatPAN:
			op.Result = f.pan(op.Raw)
		case op.Kind == Mint:
			op.Result = f.sealed(op.Label, op.Raw, op.Fragment)
		case op.Kind == Alias:
			op.Result = alias(op.Destination, op.Raw)
		default:
			plaintext, ok := f.known[string(op.Raw)]
			if ok && op.Format == rules.FormatSealed && f.label[string(op.Raw)] != op.Label {
				ok = false
			}
			op.Unknown = !ok
			op.Result, op.Fragment = []byte(plaintext), f.frag[string(op.Raw)]
		}
	}
	return nil
}

// outcome is what one request became.
type outcome struct {
	legs      []string
	decisions [][]Decision
	err       *reason.Error
	message   *Message
	views     []*View
}

// process takes a request through scan, decide, resolve and render. Legs whose
// class is absent are left out, as the proxy does.
func process(e *Engine, vault *fakeVault, route int, body string) outcome {
	m := e.NewMessage()
	out := outcome{message: m}
	if out.err = e.ScanRequest(m, route, []byte(body), Limits{}); out.err != nil {
		return out
	}
	for i, leg := range e.Plan().Routes[route].Legs {
		v := e.NewView()
		out.views = append(out.views, v)
		if leg.Items == rules.ItemsClass && !m.HasClass(leg.Class) {
			out.views[i] = nil
			continue
		}
		if out.err = e.DecideLeg(m, i, v); out.err != nil {
			return out
		}
	}
	if err := vault.Resolve(context.Background(), m.Ops()); err != nil {
		panic(err)
	}
	for _, v := range out.views {
		if v == nil {
			out.legs, out.decisions = append(out.legs, ""), append(out.decisions, nil)
			continue
		}
		b, err := v.Render(nil)
		if err != nil {
			out.err = err
			return out
		}
		out.legs = append(out.legs, string(b))
		out.decisions = append(out.decisions, append([]Decision(nil), v.Decisions()...))
	}
	return out
}

// one compiles a policy with one route whose only leg is given as YAML, lines
// without indentation, and whose destination sees what is given.
func one(t testing.TB, sees, leg, more string) *Engine {
	t.Helper()
	return compile(t, onePolicy(sees, leg, more))
}

func onePolicy(sees, leg, more string) string {
	if !strings.Contains(more, "labels:") {
		more = testLabels + more
	}
	return more + `
destinations:
  d:
    url: http://127.0.0.1:9101
    agreement: {kind: BAA, reference: T-1, expires: 2099-12-31}
    sees: ` + sees + `
routes:
  - name: r
    match: {method: POST, path: "/r/{staff}"}
` + routeMore(leg) + `    legs:
      - to: d
        primary: true
        success: http
        path: /x
` + legLines(leg) + "\n"
}

// routeMore returns the lines of a leg's text that begin with "route:".
func routeMore(leg string) string { return pick(leg, true, "    ") }

func legLines(leg string) string { return pick(leg, false, "        ") }

func pick(text string, route bool, indent string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, "route:")
		if ok == route && line != "" {
			b.WriteString(indent + strings.TrimSpace(rest) + "\n")
		}
	}
	return b.String()
}

const testLabels = `
labels:
  pan:
    paths: [payment.card.number, "**.pan"]
    detect: [pan]
    token: pan
  phi:
    paths: [patient, "notes.#.text"]
  phi.contact:
    paths: [patient.phone]
  staff:
    paths: [staff, "@query.staff", "@header.X-Staff", "@path.staff"]
`
