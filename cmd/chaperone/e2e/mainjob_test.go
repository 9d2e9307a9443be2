package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"chaperone/store/redistest"
)

const visa = "4111111111111111"

// receivers are the three parties of medspa.
type receivers struct{ processor, ehr, ledger *receiver }

func newReceivers(t *testing.T) receivers {
	return receivers{
		processor: newReceiver(t, respond(200, `{"status":"approved","id":"ch_9f","card":{"number":"4111111111111111"}}`)),
		ehr:       newReceiver(t, respond(201, `{}`)),
		ledger:    newReceiver(t, respond(200, `{}`)),
	}
}

func (r receivers) rules() string { return medspa(r.processor.URL, r.ehr.URL, r.ledger.URL) }

// delivered waits until the queued parties have got that many calls.
func (r receivers) delivered(t *testing.T, ehr, ledger int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d calls at the record and %d at the ledger", ehr, ledger), func() error {
		if e, l := len(r.ehr.got()), len(r.ledger.got()); e < ehr || l < ledger {
			return fmt.Errorf("%d and %d so far", e, l)
		}
		return nil
	})
}

// backends are the two ways in which state and keys are kept.
var backends = map[string]func(t *testing.T) string{
	"embedded store, local keyring": func(*testing.T) string { return "" },
	"Redis, Vault by token file": func(t *testing.T) string {
		v := preparedVault(t)
		return redisState(t) + fmt.Sprintf(
			"keys: {vault: {address: %q, transit_key: chaperone, kv_path: secret/chaperone, auth: {token_file: %q}}}\n",
			v.Addr, v.TokenFile(t, []string{"chaperone"}, nil))
	},
	"Redis, Vault by AppRole": func(t *testing.T) string {
		v := preparedVault(t)
		role := v.EnableAppRole(t, "chaperone", []string{"chaperone"}, nil)
		return redisState(t) + fmt.Sprintf(
			"keys: {vault: {address: %q, transit_key: chaperone, kv_path: secret/chaperone, auth: {approle: {role_id_file: %q, secret_id_file: %q}}}}\n",
			v.Addr, role.RoleIDFile, role.SecretIDFile)
	},
}

func redisState(t *testing.T) string {
	return fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redistest.Start(t, redistest.Options{}).Addr)
}

var panToken = regexp.MustCompile(`^[178]\d{11}1111$`)

func TestMainJob(t *testing.T) {
	for name, infra := range backends {
		t.Run(name, func(t *testing.T) {
			r := newReceivers(t)
			c := install(t, r.rules(), infra(t))
			c.start()
			answer := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
			r.delivered(t, 1, 1)
			token := checkAnswer(t, answer)
			checkProcessor(t, r.processor.got())
			checkRecord(t, r.ehr.got(), token)
			checkLedger(t, r.ledger.got())
			checkCommands(t, c)
			checkMetrics(t, c)

			// A second start goes on with the same keys, log and queue: the
			// token still reveals, and the repeat is not charged again.
			c.stop()
			c.start()
			again := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa))
			if got := checkAnswer(t, again); got != token {
				t.Errorf("the repeat has another token")
			}
			if n := len(r.processor.got()); n != 1 {
				t.Fatalf("the processor was called %d times for one sale", n)
			}
			withToken := strings.Replace(basket("sale-2", visa), `"number": "`+visa+`"`, `"number": "`+token+`"`, 1)
			if answer = c.mustPost("/v1/checkout", frontDesk, withToken); answer.status != 200 {
				t.Fatalf("a sale with a token: status %d %s", answer.status, answer.body)
			}
			calls := r.processor.got()
			expect(t, "processor", decode(t, calls[len(calls)-1].Body), "payment.card.number", `"`+visa+`"`)
			checkCommands(t, c)
		})
	}
}

func checkAnswer(t *testing.T, a reply) (token string) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	v := decode(t, a.body)
	expect(t, "answer", v, "status", `"approved"`)
	token, _ = at(v, "card_token").(string)
	if !panToken.MatchString(token) {
		t.Errorf("card_token has the wrong shape")
	}
	if strings.Contains(string(a.body), visa) {
		t.Errorf("the answer holds the card number")
	}
	for _, h := range []string{"Chaperone-Request-Id", "Chaperone-Upstream-Status", "Chaperone-Outcome", "Chaperone-Legs"} {
		if a.header.Get(h) == "" {
			t.Errorf("the answer lacks %s", h)
		}
	}
	return token
}

func checkProcessor(t *testing.T, calls []call) {
	t.Helper()
	if len(calls) != 1 {
		t.Fatalf("the processor was called %d times", len(calls))
	}
	c := calls[0]
	v := decode(t, c.Body)
	expect(t, "processor", v, "payment.card.number", `"`+visa+`"`)
	expect(t, "processor", v, "payment.card.cvv", `"737"`)
	expect(t, "processor", v, "totals", `{"total":67700}`)
	expect(t, "processor", v, "description", `"Store purchase"`)
	if !strings.HasPrefix(fmt.Sprint(at(v, "transaction_id")), "al_") {
		t.Errorf("the processor got the transaction id itself")
	}
	for _, path := range []string{"items", "patient", "consent", "note", "timestamp"} {
		expect(t, "processor", v, path, "null")
	}
	if c.URL != "/v1/payments" || c.Header.Get("Idempotency-Key") == "" || c.Header.Get("Authorization") != "" {
		t.Errorf("url %s, idempotency key present %t, credentials present %t", c.URL, c.Header.Get("Idempotency-Key") != "", c.Header.Get("Authorization") != "")
	}
}

func checkRecord(t *testing.T, calls []call, token string) {
	t.Helper()
	v := decode(t, calls[0].Body)
	expect(t, "ehr", v, "patient.name", `"Margaret Okonkwo"`)
	expect(t, "ehr", v, "payment", fmt.Sprintf(`{"card":{"number":%q}}`, token))
	expect(t, "ehr", v, "note", fmt.Sprintf(`"card %s given by phone"`, token))
	expect(t, "ehr", v, "totals", `{"discount":0,"subtotal":55000,"tax":0,"tip":5000,"total":60000}`)
	items, _ := at(v, "items").([]any)
	if len(items) != 1 {
		t.Fatalf("the record got %d items", len(items))
	}
	expect(t, "ehr", items[0], "sku", `"TX-BOTOX-50"`)
	expect(t, "ehr", items[0], "lot", `"C4471"`)
}

func checkLedger(t *testing.T, calls []call) {
	t.Helper()
	v := decode(t, calls[0].Body)
	expect(t, "ledger", v, "totals", `{"discount":0,"subtotal":7000,"tax":700,"tip":0,"total":7700}`)
	expect(t, "ledger", v, "patient", "null")
	number := fmt.Sprint(at(v, "payment.card.number"))
	if !strings.HasSuffix(number, "1111") || strings.Trim(number[:len(number)-4], "*") != "" {
		t.Errorf("the ledger's card number is not the last four alone")
	}
	items, _ := at(v, "items").([]any)
	if len(items) != 1 {
		t.Fatalf("the ledger got %d items", len(items))
	}
	expect(t, "ledger", items[0], "sku", `"SK-CREAM-01"`)
}

// checkMetrics looks for what one sale of three legs leaves in the metrics.
func checkMetrics(t *testing.T, c *instance) {
	t.Helper()
	resp, err := http.Get(c.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`chaperone_requests_total{code="2xx",reason="none",route="checkout"} 1`,
		`chaperone_outcomes_total{outcome="released",route="checkout"} 1`,
		`chaperone_decisions_total{form="token",label="pan"} 3`,
		`chaperone_decisions_total{form="mask",label="pan"} 2`,
		`chaperone_leg_results_total{destination="ehr",result="accepted"} 1`,
		`chaperone_leg_results_total{destination="ledger",result="accepted"} 1`,
		`chaperone_store_append_duration_seconds_count 1`,
		`chaperone_upstream_duration_seconds_count{destination="processor"} 1`,
		`chaperone_egress_blocked_total{destination="ledger"} 0`,
		`chaperone_doubts 0`,
		`chaperone_store_up 1`,
	} {
		if !strings.Contains(string(b), line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("the metrics lack %s; they have\n%s", line, regexp.MustCompile("(?m)^"+name+".*$").FindAllString(string(b), -1))
		}
	}
}

// checkCommands tries the verbs that read state, beside the running proxy.
func checkCommands(t *testing.T, c *instance) {
	t.Helper()
	for _, verb := range [][]string{
		{"log", "verify"}, {"log", "tail", "--json"}, {"outbox", "list", "--json"}, {"outbox", "doubts", "--json"},
	} {
		out, err := c.command(verb...)
		if err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(verb, " "), err, out)
		}
		if strings.Contains(out, visa) || strings.Contains(out, "Okonkwo") {
			t.Errorf("%s prints a value", strings.Join(verb, " "))
		}
	}
	out, err := c.command("log", "tail", "--json")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var e struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("log tail --json printed a line that is not JSON: %v", err)
		}
		kinds[e.Kind]++
	}
	if kinds["decision"] == 0 || kinds["outcome"] == 0 {
		t.Errorf("the log's kinds are %v", kinds)
	}
}
