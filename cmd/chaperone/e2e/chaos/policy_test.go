package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// frontDesk is the key of the one caller.
const frontDesk = "chp_kdjfhgpqowieurytlaksjdhfgmznxbcvqpwoeirutyal"

// routes are the ways of making a sale. Some spool while the store is away (as
// the processor looks at keys, and they do not say otherwise). What one proxy has
// recorded the other then cannot know, nor can the same after its restart: a
// repeat is sent again under the same key, which is why their tills try no other
// card under it.
func routes() []*route {
	refund := &route{name: "refund", path: "/v1/refunds", processor: "processor", keyed: true, onDoubt: "retry"}
	return []*route{
		{name: "checkout", path: "/v1/checkout", processor: "processor", keyed: true, onOutage: "refuse", refunds: refund},
		{name: "till", path: "/v1/till", processor: "till"},
		{name: "wallet", path: "/v1/wallet", processor: "wallet", keyed: true, onDoubt: "replay", onOutage: "refuse"},
		{name: "again", path: "/v1/again", processor: "processor", keyed: true, onDoubt: "retry", sticky: true, oneCard: true},
		{name: "desk", path: "/v1/desk", processor: "processor", keyed: true, onDoubt: "retry", sync: true, oneCard: true},
	}
}

// refunds is the route on which sales of another are refunded.
const refunds = `  - name: refund
    match: {method: POST, path: /v1/refunds}
    idempotency: {key: transaction_id}
    follows: {key: original_transaction_id, amount: amount, route: checkout}
    unlink: [transaction_id, original_transaction_id]
    on_doubt: retry
    legs:
      - to: processor
        primary: true
        items: none
        keep: [transaction_id, original_transaction_id, currency, amount, memo]
        success: {status: [2xx], where: {status: [approved]}}
      - {to: record, items: clinical, keep: [transaction_id, original_transaction_id, currency, amount, memo]}
      - {to: ledger, items: retail, keep: [transaction_id, original_transaction_id, currency, amount, memo]}
`

// policy writes rules.yaml. links are the addresses of the receivers.
func policy(links map[string]string, rs []*route) string {
	sum := sha256.Sum256([]byte(frontDesk))
	names := make([]string, len(rs), len(rs)+1)
	for i, r := range rs {
		names[i] = r.name
	}
	names = append(names, "refund")
	var b strings.Builder
	fmt.Fprintf(&b, `labels:
  pan: {paths: [payment.card.number], detect: [pan], token: pan}
  sad: {paths: [payment.card.cvv]}
  phi: {paths: [patient, items.#.lot]}
basket:
  items: items
  currency: currency
  units: minor
  line: {quantity: qty, unit_price: unit_price}
  totals: {subtotal: totals.subtotal, tax: totals.tax, tip: totals.tip, discount: totals.discount, total: totals.total}
  tax: {taxable: [retail]}
  tip: {to: [clinical]}
  classes:
    clinical: {label: phi, any: [{category: [injectable]}]}
    retail: {any: [{category: [skincare]}]}
  otherwise: clinical
destinations:
  processor:
    url: http://%s
    agreement: {kind: DPA, reference: PP-1, expires: 2099-03-31}
    sees: {pan: plain, sad: plain}
    idempotent: true
  till:
    url: http://%s
    agreement: {kind: DPA, reference: PP-2, expires: 2099-03-31}
    sees: {pan: plain, sad: plain}
  wallet:
    url: http://%s
    agreement: {kind: DPA, reference: PP-3, expires: 2099-03-31}
    sees: {pan: plain}
    idempotent: true
  record:
    url: http://%s
    agreement: {kind: BAA, reference: EHR-7, expires: 2099-12-31}
    sees: {phi: plain, pan: token}
  ledger:
    url: http://%s
    sees: {pan: mask}
callers:
  front-desk:
    key_sha256: %s
    routes: [%s]
    sees: {pan: token}
    limits: {mints_per_day: 900000000, reveals_per_day: 900000000}
routes:
`, links["processor"], links["till"], links["wallet"], links["record"], links["ledger"], hex.EncodeToString(sum[:]), strings.Join(names, ", "))
	for _, r := range rs {
		more, mode := "", "queued"
		if r.onDoubt != "" {
			more = "    on_doubt: " + r.onDoubt + "\n"
		}
		if r.onOutage != "" {
			more += "    on_outage: " + r.onOutage + "\n"
		}
		if r.sync {
			mode = "sync"
		}
		fmt.Fprintf(&b, `  - name: %s
    match: {method: POST, path: %s}
    idempotency: {key: transaction_id}
    subject: patient.id
    unlink: [transaction_id]
    items: optional
%s    legs:
      - to: %s
        primary: true
        path: /v1/payments
        items: none
        keep: [transaction_id, currency, totals.total, payment]
        success: {status: [2xx], where: {status: [approved]}}
      - to: record
        items: clinical
        totals: recompute
        keep: [transaction_id, currency, patient, items, totals, note, payment.card.number]
      - to: ledger
        mode: %s
        items: retail
        totals: recompute
        keep: [transaction_id, currency, items, totals, note, payment.card.number]
    answer:
      set: {card_token: {token: payment.card.number}}
`, r.name, r.path, more, r.processor, mode)
	}
	return b.String() + refunds
}
