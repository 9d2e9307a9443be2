// Package peers holds what Chaperone is measured beside, written as well as we
// can: edits with other libraries, and configurations of other proxies.
//
// All of them make the edits of one route, "tokenize": the card number becomes
// a token; patient, consent, appointment, note, the card's verification value
// and the clinical items go. None of them judges duplicated members, looks for
// card numbers elsewhere or counts what it did, and the token is a constant:
// they do less than Chaperone does.
package peers

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Token stands for the card number in what the peers write. It looks like a
// token of format pan, of the card that the bench uses.
const Token = "7242424242404242"

// Files are the configurations: nginx.conf, haproxy.cfg, edits.lua. Words in
// capitals are filled in by who starts the proxy.
//
//go:embed nginx.conf haproxy.cfg edits.lua
var Files embed.FS

// Edit makes the edits on a body, which it does not keep and may not change.
type Edit func(body []byte) ([]byte, error)

// ErrMalformed is the error of a body that is no JSON.
var ErrMalformed = errors.New("the body is no JSON")

// token is a package variable so that it becomes an interface once.
var token any = Token

var unseen = []string{"patient", "consent", "appointment", "note", "payment.card.cvv"}

// GJSON validates once, reads the classes with gjson, and edits path by path
// with sjson; items are removed from the last one on, so that indexes hold.
func GJSON(body []byte) ([]byte, error) {
	if !gjson.ValidBytes(body) {
		return nil, ErrMalformed
	}
	var clinical []int
	at := 0
	gjson.GetBytes(body, "items").ForEach(func(_, item gjson.Result) bool {
		if isClinical(item.Get("category").Str, item.Get("sku").Str) {
			clinical = append(clinical, at)
		}
		at++
		return true
	})
	var err error
	for i := len(clinical) - 1; i >= 0; i-- {
		if body, err = sjson.DeleteBytes(body, "items."+strconv.Itoa(clinical[i])); err != nil {
			return nil, err
		}
	}
	if len(clinical) == at && at > 0 {
		if body, err = sjson.DeleteBytes(body, "items"); err != nil {
			return nil, err
		}
	}
	for _, path := range unseen {
		if body, err = sjson.DeleteBytes(body, path); err != nil {
			return nil, err
		}
	}
	if gjson.GetBytes(body, "payment.card.number").Exists() {
		return sjson.SetBytes(body, "payment.card.number", token)
	}
	return body, nil
}

// Standard decodes the body with encoding/json, numbers as they are written,
// edits the tree and encodes it.
func Standard(body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	for _, name := range []string{"patient", "consent", "appointment", "note"} {
		delete(root, name)
	}
	if payment, ok := root["payment"].(map[string]any); ok {
		if card, ok := payment["card"].(map[string]any); ok {
			delete(card, "cvv")
			if _, ok := card["number"]; ok {
				card["number"] = token
			}
		}
	}
	if items, ok := root["items"].([]any); ok {
		kept := items[:0]
		for _, item := range items {
			if member, ok := item.(map[string]any); ok {
				category, _ := member["category"].(string)
				sku, _ := member["sku"].(string)
				if isClinical(category, sku) {
					continue
				}
			}
			kept = append(kept, item)
		}
		if root["items"] = kept; len(kept) == 0 && len(items) > 0 {
			delete(root, "items")
		}
	}
	return json.Marshal(root)
}

// isClinical is the basket's classification without its folding of case.
func isClinical(category, sku string) bool {
	switch category {
	case "injectable", "treatment", "laser":
		return true
	}
	if strings.HasPrefix(sku, "TX-") {
		return true
	}
	return category != "skincare" && category != "giftcard"
}
