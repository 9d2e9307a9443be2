package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"chaperone/bench/peers"
)

func TestSameMeaning(t *testing.T) {
	edited, err := peers.GJSON(bytes.Clone(basket))
	if err != nil {
		t.Fatal(err)
	}
	other, err := peers.Standard(basket)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameMeaning(other, edited); err != nil {
		t.Errorf("the peers' edits differ: %v", err)
	}
	for name, change := range map[string][2]string{
		"another id":    {idPlace, "ABCDEFGHIJKL"},
		"another token": {peers.Token, "8999999999994242"},
	} {
		if err := sameMeaning(bytes.Replace(edited, []byte(change[0]), []byte(change[1]), 1), edited); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string][2]string{
		"the card":             {peers.Token, card},
		"of another card":      {peers.Token, "7242424242401111"},
		"another amount":       {"131683", "131684"},
		"no id":                {"transaction_id", "transaction"},
		"no JSON":              {"{", ""},
		"an item that is gone": {`"sku": "GC-100", `, ""},
	} {
		if sameMeaning(bytes.Replace(edited, []byte(change[0]), []byte(change[1]), 1), edited) == nil {
			t.Errorf("%s: is taken for the same", name)
		}
	}
	if sameMeaning(basket, edited) == nil {
		t.Error("what was not edited is taken for what was")
	}
}

// TestPace: a steady rate is as many requests as belong to it, however slow the
// machine.
func TestPace(t *testing.T) {
	address := listen(t, new(stub).handle)
	s, err := drive(t.Context(), load{address: address, path: "/processor", connections: 4, duration: 200 * time.Millisecond, rate: 500})
	if err != nil || s.failed > 0 || s.requests != 100 {
		t.Errorf("%d requests, %d failed, %v", s.requests, s.failed, err)
	}
}

// TestPeerFiles: what the bench fills in is filled in.
func TestPeerFiles(t *testing.T) {
	r := &rig{dir: t.TempDir()}
	dir, err := r.peerFiles("nginx", "nginx.conf", "LOAD", "", "LUA", "", "EDITED", "", "USER", "", "ADDRESS", "127.0.0.1:1", "STUB", "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	config := first(dir + "/nginx.conf")
	if !strings.HasPrefix(config, "# nginx as a forwarding proxy") {
		t.Errorf("%s", config)
	}
}

// TestEngineMeasures: every body of the micro-benchmarks is taken, and the
// engine allocates nothing for it.
func TestEngineMeasures(t *testing.T) {
	res, err := measureEngine(t.Context(), settings{short: true, rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range res.Bodies {
		for _, e := range b.Edits {
			if e.Nanoseconds.Median <= 0 {
				t.Errorf("%s, %s: %+v", b.Name, e.Name, e)
			}
		}
	}
	if len(res.Tokens) != 4 {
		t.Errorf("%d tokens", len(res.Tokens))
	}
}
