package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"

	"github.com/tidwall/gjson"
)

// parties are the stand-in receivers in the order in which they are shown.
var parties = []string{"processor", "ehr", "ledger"}

// deliveryDeadline bounds the wait for a queued leg: the delivery itself takes
// milliseconds.
const deliveryDeadline = 20 * time.Second

// caseResult is one sale of the round, as --json prints it.
type caseResult struct {
	Name      string                     `json:"name"`
	About     string                     `json:"about"`
	Request   json.RawMessage            `json:"request"`  // a string where the body is no JSON
	Received  map[string]json.RawMessage `json:"received"` // by party; null: it was not called
	Answer    answerResult               `json:"answer"`
	Decisions []decisionResult           `json:"decisions"`

	sent []byte // the request's body as it was sent
}

type answerResult struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// decisionResult is one recorded decision, read back from the log.
type decisionResult struct {
	To      string `json:"to"`
	Form    string `json:"form"`
	Label   string `json:"label,omitempty"`
	Class   string `json:"class,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	Rule    string `json:"rule"`
	Count   int    `json:"count"`
}

// post sends one sale, waits until every leg that the answer promises has
// arrived, and reads its decisions back from the log.
func (d *demo) post(ctx context.Context, c demoCase) (*caseResult, error) {
	before := map[string]int{}
	for _, name := range parties {
		before[name] = d.receivers[name].count()
	}
	body, err := c.body(d)
	if err != nil {
		return nil, err
	}
	r := &caseResult{Name: c.name, About: c.about, Request: rawOrText(body), Received: map[string]json.RawMessage{}, sent: body}
	if err := d.call(ctx, r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryDeadline)
	defer cancel()
	for _, name := range parties {
		r.Received[name] = nil
		if !slices.Contains(promised(r.Answer.Headers["Chaperone-Legs"]), name) && d.receivers[name].count() == before[name] {
			continue
		}
		got, err := d.receivers[name].wait(ctx, before[name])
		if err != nil {
			return r, fmt.Errorf("the %s leg: %w", name, err)
		}
		r.Received[name] = got.body
	}
	if r.Decisions, err = d.decisions(ctx, r.Answer.Headers["Chaperone-Request-Id"]); err != nil {
		return r, err
	}
	return r, c.expect(d, r)
}

// decisions reads what is on record about a request, over the control socket
// as `chaperone log tail` does.
func (d *demo) decisions(ctx context.Context, request string) ([]decisionResult, error) {
	c, err := control.Dial(ctx, d.data)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	list := []decisionResult{}
	err = c.Tail(ctx, demoLines, false, func(line control.LogLine) error {
		var e audit.Entry
		if err := json.Unmarshal(line.Entry, &e); err != nil {
			return fmt.Errorf("entry %d of the log: %w", line.Seq, err)
		}
		for _, d := range e.Decisions {
			if string(e.Request) == request {
				list = append(list, decisionResult{
					To: string(d.To), Form: string(d.Form), Label: string(d.Label), Class: string(d.Class),
					Pattern: string(d.Pattern), Rule: string(d.Rule), Count: d.Count,
				})
			}
		}
		return nil
	})
	return list, err
}

// demoLines is how far back the log is read: one case makes a handful.
const demoLines = 64

// call is what the POS does: one POST, one answer.
func (d *demo) call(ctx context.Context, r *caseResult) error {
	ctx, cancel := context.WithTimeout(ctx, demoDeadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.saleURL(), bytes.NewReader(r.sent))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+d.key)
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("the proxy did not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReceived))
	if err != nil {
		return fmt.Errorf("the proxy's answer broke off: %w", err)
	}
	r.Answer = answerResult{Status: resp.StatusCode, Headers: map[string]string{}, Body: rawOrText(body)}
	for name, values := range resp.Header {
		r.Answer.Headers[name] = strings.Join(values, ", ")
	}
	return nil
}

// promised lists the destinations of Chaperone-Legs ("processor=200
// ehr=queued") that were called or will be.
func promised(header string) []string {
	called := map[string]bool{}
	for leg := range strings.FieldsSeq(header) {
		name, state, _ := strings.Cut(leg, "=")
		called[name] = state == "queued" || (len(state) == 3 && state[0] >= '1' && state[0] <= '5')
	}
	maps.DeleteFunc(called, func(_ string, yes bool) bool { return !yes })
	return slices.Sorted(maps.Keys(called))
}

// rawOrText embeds a body in a JSON document: as it is where it is JSON, else
// as a string.
func rawOrText(body []byte) json.RawMessage {
	if len(body) == 0 {
		return nil
	}
	if json.Valid(body) {
		return body
	}
	// A string always marshals.
	text, _ := json.Marshal(string(body))
	return text
}

// expectation names what a case of the round has to show. Each returns an
// error that says what was seen instead, without a value of the body.
type expectation func(d *demo, r *caseResult) error

func all(list ...expectation) expectation {
	return func(d *demo, r *caseResult) error {
		for _, e := range list {
			if err := e(d, r); err != nil {
				return err
			}
		}
		return nil
	}
}

func status(want int) expectation {
	return func(_ *demo, r *caseResult) error {
		if r.Answer.Status != want {
			return fmt.Errorf("the answer's status is %d, want %d", r.Answer.Status, want)
		}
		return nil
	}
}

// called says which parties are sent something; the others are not.
func called(names ...string) expectation {
	return func(_ *demo, r *caseResult) error {
		for _, name := range parties {
			switch got, want := r.Received[name] != nil, slices.Contains(names, name); {
			case got && !want:
				return fmt.Errorf("%s was called, and should not have been", name)
			case want && !got:
				return fmt.Errorf("%s was not called", name)
			}
		}
		return nil
	}
}

// has asks for a member of a party's body, or, with the party "pos", of the
// answer.
func has(party, path string) expectation {
	return func(_ *demo, r *caseResult) error {
		if !gjson.GetBytes(r.seenBy(party), path).Exists() {
			return fmt.Errorf("%s got no %s", party, path)
		}
		return nil
	}
}

func lacks(party string, paths ...string) expectation {
	return func(_ *demo, r *caseResult) error {
		for _, path := range paths {
			if gjson.GetBytes(r.seenBy(party), path).Exists() {
				return fmt.Errorf("%s got %s", party, path)
			}
		}
		return nil
	}
}

// noCard asks that what a party got holds neither the card number nor a
// security code.
func noCard(names ...string) expectation {
	return func(d *demo, r *caseResult) error {
		for _, name := range names {
			if bytes.Contains(r.seenBy(name), []byte(d.card)) {
				return fmt.Errorf("%s got the card number", name)
			}
			if gjson.GetBytes(r.seenBy(name), securityPath).Exists() {
				return fmt.Errorf("%s got the security code", name)
			}
		}
		return nil
	}
}

func (r *caseResult) seenBy(party string) []byte {
	if party == "pos" {
		return r.Answer.Body
	}
	return r.Received[party]
}
