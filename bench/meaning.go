package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// verify holds what the stub got to the subject's checks, and to what it must
// mean the same as.
func (r *rig) verify(s subject) error {
	for _, c := range s.checks {
		_, body, err := get("http://" + r.stub + stubLast + "?of=" + c.of)
		if err != nil {
			return err
		}
		if c.holds != "" && !strings.Contains(string(body), c.holds) {
			return fmt.Errorf("%s did not get %s", c.of, c.holds)
		}
		if c.lacks != "" && strings.Contains(string(body), c.lacks) {
			return fmt.Errorf("%s got %s", c.of, c.lacks)
		}
	}
	_, body, err := get("http://" + r.stub + stubLast + "?of=/processor")
	if err != nil {
		return err
	}
	r.rendered[s.name] = bytes.Clone(body)
	switch want, ok := r.rendered[s.like]; {
	case s.like == "":
		return nil
	case s.like == asSent:
		return sameMeaning(body, basket)
	case !ok:
		return fmt.Errorf("there is no body of %s to compare with", s.like)
	default:
		return sameMeaning(body, want)
	}
}

// sameMeaning compares two bodies as JSON. Each has an id of its own, and a
// token is as good as another one of the same card.
func sameMeaning(got, want []byte) error {
	var trees [2]map[string]any
	for i, body := range [][]byte{got, want} {
		if err := json.Unmarshal(body, &trees[i]); err != nil {
			return fmt.Errorf("the stub got no JSON: %w", err)
		}
		if id, _ := trees[i]["transaction_id"].(string); len(id) != len(idPlace) {
			return fmt.Errorf("the stub got the transaction id %q", id)
		}
		trees[i]["transaction_id"] = idPlace
		if payment, ok := trees[i]["payment"].(map[string]any); ok {
			if c, ok := payment["card"].(map[string]any); ok {
				if n, ok := c["number"].(string); ok && n != card && len(n) == len(card) && strings.HasSuffix(n, card[12:]) {
					c["number"] = "a token"
				}
			}
		}
	}
	if !reflect.DeepEqual(trees[0], trees[1]) {
		return fmt.Errorf("the stub got a body of another meaning: %s, want %s", got, want)
	}
	return nil
}
