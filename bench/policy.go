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

// writeConfig writes policy and configuration into dir and returns the name of
// the latter.
func writeConfig(dir, stub, redis, listen, admin string, c caller) (string, error) {
	policy := bytes.ReplaceAll(rulesTemplate, []byte("STUB"), []byte(stub))
	policy = bytes.ReplaceAll(policy, []byte("HASH"), []byte(c.hash))
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), policy, 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "chaperone.yaml")
	config := strings.TrimLeft(fmt.Sprintf(`
rules: rules.yaml
listen: {address: %q}
admin: {address: %q}
data: data
state:
  redis: {addresses: [%q]}
limits: {upstream_timeout: 10s, drain_timeout: 5s}
log: {level: warn}
`, listen, admin, redis), "\n")
	return file, os.WriteFile(file, []byte(config), 0o600)
}
