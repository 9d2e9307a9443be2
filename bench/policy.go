package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// basket is the body of every request: a mixed basket of 1.6 kB with one card.
//
//go:embed testdata/basket.json
var basket []byte

// idPlace is what stands in basket where each request has an id of its own:
// 12 letters.
const idPlace = "IDIDIDIDIDID"

// card is the card number in basket.
const card = "4242424242424242"

// rulesTemplate is the policy; STUB is the stub's address, HASH the caller's.
//
//go:embed testdata/rules.yaml
var rulesTemplate []byte

// caller is the only one of the policy.
type caller struct{ key, hash string }

func newCaller() caller {
	var b [32]byte
	rand.Read(b[:])
	key := "chp_" + base64.RawURLEncoding.EncodeToString(b[:])
	hash := sha256.Sum256([]byte(key))
	return caller{key: key, hash: hex.EncodeToString(hash[:])}
}

// instance is how one Chaperone is set up.
type instance struct {
	policy        []byte // a template, as rulesTemplate is
	redis         string // address; empty: the embedded store
	body          string // the limit of a body; empty: the default
	dir           string
	listen, admin string // set by write
}

func (i *instance) file() string { return filepath.Join(i.dir, "chaperone.yaml") }

// write makes the folder and writes policy and configuration into it.
func (i *instance) write(stub string, c caller) (err error) {
	if i.listen, err = freeAddress(); err != nil {
		return err
	}
	if i.admin, err = freeAddress(); err != nil {
		return err
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return err
	}
	policy := bytes.ReplaceAll(i.policy, []byte("STUB"), []byte(stub))
	policy = bytes.ReplaceAll(policy, []byte("HASH"), []byte(c.hash))
	if err := os.WriteFile(filepath.Join(i.dir, "rules.yaml"), policy, 0o600); err != nil {
		return err
	}
	state, body := "", ""
	if i.redis != "" {
		state = fmt.Sprintf("state:\n  redis: {addresses: [%q]}\n", i.redis)
	}
	if i.body != "" {
		body = "body: " + i.body + ", "
	}
	config := strings.TrimLeft(fmt.Sprintf(`
rules: rules.yaml
listen: {address: %q}
admin: {address: %q}
data: data
%slimits: {%supstream_timeout: 10s, drain_timeout: 5s}
log: {level: warn}
`, i.listen, i.admin, state, body), "\n")
	return os.WriteFile(i.file(), []byte(config), 0o600)
}
