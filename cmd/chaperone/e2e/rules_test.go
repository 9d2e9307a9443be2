package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// frontDesk is the key of the one caller of medspa.
const frontDesk = "chp_kdjfhgpqowieurytlaksjdhfgmznxbcvqpwoeirutyal"

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// medspa is the policy of a med spa that posts mixed baskets, with the
// addresses of its receivers.
func medspa(processor, ehr, ledger string) string {
	return fmt.Sprintf(`
labels:
  pan:
    paths: [payment.card.number]
    detect: [pan]
    token: pan
  sad:
    paths: [payment.card.cvv]
  phi:
    paths: [patient, consent, items.#.practitioner, items.#.lot]
  phi.contact:
    paths: [patient.phone, patient.email]
basket:
  items: items
  currency: currency
  units: minor
  line: {quantity: qty, unit_price: unit_price}
  totals: {subtotal: totals.subtotal, tax: totals.tax, tip: totals.tip, discount: totals.discount, total: totals.total}
  tax: {taxable: [retail]}
  tip: {to: [clinical]}
  classes:
    clinical:
      label: phi
      any:
        - {category: [injectable, treatment, laser]}
        - {sku: "TX-*"}
    retail:
      any:
        - {category: [skincare, giftcard]}
  otherwise: clinical
destinations:
  processor:
    url: %s
    agreement: {kind: DPA, reference: PP-2291, expires: 2099-03-31}
    sees: {pan: plain, sad: plain}
    idempotent: true
  ehr:
    url: %s
    agreement: {kind: BAA, reference: EHR-7, expires: 2099-12-31}
    sees: {phi: plain, pan: token}
  ledger:
    url: %s
    sees: {pan: mask}
callers:
  front-desk:
    key_sha256: %s
    routes: [checkout]
    sees: {pan: token, phi.contact: plain}
routes:
  - name: checkout
    match: {method: POST, path: /v1/checkout}
    idempotency: {key: transaction_id, ignore: [timestamp]}
    subject: patient.id
    unlink: [transaction_id]
    legs:
      - to: processor
        primary: true
        path: /v1/payments
        items: none
        keep: [transaction_id, currency, totals.total, payment]
        set: {description: "Store purchase"}
        success: {status: [2xx], where: {status: [approved, captured]}}
      - to: ehr
        items: clinical
        totals: recompute
        keep: [transaction_id, timestamp, currency, patient, consent, items, totals, note, payment.card.number]
      - to: ledger
        items: retail
        totals: recompute
        keep: [transaction_id, timestamp, currency, items, totals, note, payment.card.number]
    answer:
      set: {card_token: {token: payment.card.number}}
`, processor, ehr, ledger, keyHash(frontDesk))
}

// basket is a sale of a treatment and a cream on a keyed card.
func basket(transaction, pan string) string {
	return fmt.Sprintf(`{
  "transaction_id": %q, "timestamp": "2026-11-21T10:00:00Z", "currency": "USD",
  "patient": {"id": "PT-88213", "name": "Margaret Okonkwo", "phone": "+1 555 0100", "email": "margaret@example.com"},
  "consent": {"form": "BOTOX-2026", "signed": true},
  "items": [
    {"sku": "TX-BOTOX-50", "name": "Botox 50 units", "category": "injectable", "qty": 1, "unit_price": 55000, "practitioner": "Dr Adeyemi", "lot": "C4471"},
    {"sku": "SK-CREAM-01", "name": "Face cream", "category": "skincare", "qty": 2, "unit_price": 3500}
  ],
  "totals": {"subtotal": 62000, "tax": 700, "tip": 5000, "discount": 0, "total": 67700},
  "note": "card %s given by phone",
  "payment": {"method": "card", "card": {"number": %q, "exp": "12/29", "cvv": "737"}}
}`, transaction, pan, pan)
}
