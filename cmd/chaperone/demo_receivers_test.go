package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func send(t *testing.T, r *receiver, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/payments", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReceiver(t *testing.T) {
	r, err := startReceiver("processor", anyPort, answerProcessor)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	const sale = `{"transaction_id":"al_x","currency":"USD","totals":{"total":100},"payment":{"card":{"number":"4111111111111111"}}}`
	status, first := send(t, r, "a", sale)
	if status != http.StatusOK || gjson.Get(first, "status").String() != "approved" || gjson.Get(first, "amount").Raw != "100" {
		t.Fatalf("%d %s", status, first)
	}
	if _, again := send(t, r, "a", sale); again != first {
		t.Errorf("the same key got another answer")
	}
	if n := r.count(); n != 1 {
		t.Errorf("%d sales of one key", n)
	}
	if status, _ := send(t, r, "b", `{"totals":{"total":100}}`); status != http.StatusUnprocessableEntity {
		t.Errorf("without a card: status %d", status)
	}
	if status, body := send(t, r, "c", strings.ReplaceAll(sale, "4111111111111111", "4000000000000002")); status != http.StatusPaymentRequired {
		t.Errorf("a card that is declined: %d %s", status, body)
	}
	if status, _ := send(t, r, "d", `{"totals":`); status != http.StatusBadRequest {
		t.Errorf("no JSON: status %d", status)
	}
	got, err := r.wait(t.Context(), 0)
	if err != nil || string(got.body) != sale || got.path != "/v1/payments" {
		t.Errorf("got %s at %s, %v", got.body, got.path, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.wait(ended, 99); !errors.Is(err, errNotDelivered) {
		t.Errorf("waiting for a call that does not come: %v", err)
	}
}

// TestStandIns answers bodies of any shape, as demo --receivers does.
func TestStandIns(t *testing.T) {
	for name, c := range map[string]struct {
		body, status string
		code         int
	}{
		"the sample's shape":    {`{"totals":{"total":100},"payment":{"card":{"number":"4111111111111111"}}}`, "approved", http.StatusOK},
		"another shape":         {`{"order":{"total":"1.00"},"tenders":[{"pan":"4111111111111111"}]}`, "approved", http.StatusOK},
		"a card to be declined": {`{"tenders":[{"pan":"4000000000000002"}]}`, "declined", http.StatusPaymentRequired},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := startReceiver("processor", anyPort, answerAnySale)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if code, body := send(t, r, "a", c.body); code != c.code || gjson.Get(body, "status").String() != c.status {
				t.Errorf("%d %s", code, body)
			}
		})
	}
}
