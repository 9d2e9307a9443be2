package main

import (
	"bytes"
	"fmt"
	"path"

	"chaperone/deploy/medspa"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// demoPath is the sample policy's route.
const demoPath = "/v1/checkout"

// cardPath and the others are where the sample's bodies hold what the demo
// looks at.
const (
	cardPath        = "payment.card.number"
	securityPath    = "payment.card.cvv"
	transactionPath = "transaction_id"
)

// demoCase is one sale of the round: the body that the POS sends, and what has
// to become of it.
type demoCase struct {
	name, about string
	body        func(d *demo) ([]byte, error)
	expect      expectation
}

// demoCases are the cases in order; the fourth uses the token of the first.
func demoCases() []demoCase {
	return []demoCase{
		{
			"keyed card", "a treatment and a cream in one sale, the card keyed at the desk",
			func(d *demo) ([]byte, error) { return d.freshSale("keyed-card.json") },
			all(status(200), called("processor", "ehr", "ledger"), keyedCard,
				lacks("processor", "patient", "items"), has("ehr", "patient"), lacks("ledger", "patient"),
				noCard("ehr", "ledger", "pos")),
		},
		{
			"no clinical items", "two retail products: the patient record is not called",
			func(d *demo) ([]byte, error) { return d.freshSale("retail-only.json") },
			all(status(200), called("processor", "ledger"), lacks("ledger", "patient"), noCard("ledger", "pos")),
		},
		{
			"unknown item", "an item that no catalogue knows is treated as clinical",
			func(d *demo) ([]byte, error) { return d.freshSale("unknown-item.json") },
			all(status(200), called("processor", "ehr", "ledger"), noCard("ehr", "ledger", "pos")),
		},
		{
			"token instead of a card", "the POS sends the token that it was given: only the processor gets the card",
			func(d *demo) ([]byte, error) { return d.tokenSale("token-instead-of-card.json") },
			all(status(200), called("processor", "ehr", "ledger"), tokenRevealed, noCard("ehr", "ledger", "pos")),
		},
		{
			"malformed body", "a body with a comma too many and a bracket too few: refused, and nobody is called",
			func(*demo) ([]byte, error) { return medspa.Files.ReadFile("bodies/malformed.json") },
			all(status(400), called()),
		},
	}
}

// freshSale is a body of the sample under a transaction id of its own: another
// run on the same data folder is another sale, not a repeat.
func (d *demo) freshSale(name string) ([]byte, error) {
	body, err := medspa.Files.ReadFile(path.Join("bodies", name))
	if err != nil {
		return nil, fmt.Errorf("the sample: %w", err)
	}
	d.card = gjson.GetBytes(body, cardPath).String()
	return sjson.SetBytes(body, transactionPath, "T-"+receipt())
}

// tokenSale is the body of a sale with a card on file: the token that the
// first case was given stands where a card number does.
func (d *demo) tokenSale(name string) ([]byte, error) {
	body, err := d.freshSale(name)
	d.card = d.keyed
	return bytes.Replace(body, []byte(medspa.CardToken), []byte(d.token), 1), err
}

// keyedCard asks that the processor got the card as it was keyed, and notes
// the token that the record got and the POS was given.
func keyedCard(d *demo, r *caseResult) error {
	if got := gjson.GetBytes(r.Received["processor"], cardPath).String(); got != d.card {
		return fmt.Errorf("the processor did not get the card number")
	}
	d.keyed, d.token = d.card, gjson.GetBytes(r.Answer.Body, "card_token").String()
	if d.token == "" || d.token == d.card {
		return fmt.Errorf("the POS got no token")
	}
	if gjson.GetBytes(r.Received["ehr"], cardPath).String() != d.token {
		return fmt.Errorf("the patient record and the POS got different tokens")
	}
	return nil
}

// tokenRevealed asks that the processor got the card that the token stands
// for, and the record the token.
func tokenRevealed(d *demo, r *caseResult) error {
	if gjson.GetBytes(r.Received["processor"], cardPath).String() != d.card {
		return fmt.Errorf("the processor did not get the card of the token")
	}
	if gjson.GetBytes(r.Received["ehr"], cardPath).String() != d.token {
		return fmt.Errorf("the patient record did not get the token")
	}
	return nil
}
