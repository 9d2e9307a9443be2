package e2e

import (
	"testing"

	"chaperone/vault/keys/vaulttest"
)

// vaultPolicy is what Chaperone needs of Vault, and no more.
const vaultPolicy = `
path "transit/encrypt/chaperone" { capabilities = ["update"] }
path "transit/decrypt/chaperone" { capabilities = ["update"] }
path "transit/keys/chaperone"    { capabilities = ["read"] }
path "secret/data/chaperone"     { capabilities = ["create", "read", "update"] }
`

// preparedVault is a Vault with the transit key and the policy, as an operator
// leaves it.
func preparedVault(t *testing.T) *vaulttest.Server {
	t.Helper()
	v := vaulttest.Start(t)
	v.TransitKey(t, "chaperone")
	v.WritePolicy(t, "chaperone", vaultPolicy)
	return v
}
