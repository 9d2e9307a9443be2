// Package gcpckms stands in for a seal that the test server never calls: it has only
// the names that Vault's source needs in order to compile.
package gcpckms

import wrapping "github.com/hashicorp/go-kms-wrapping/v2"

const (
	EnvGcpCkmsWrapperCredsPath   = "EnvGcpCkmsWrapperCredsPath"
	EnvGcpCkmsWrapperCryptoKey   = "EnvGcpCkmsWrapperCryptoKey"
	EnvGcpCkmsWrapperKeyRing     = "EnvGcpCkmsWrapperKeyRing"
	EnvGcpCkmsWrapperLocation    = "EnvGcpCkmsWrapperLocation"
	EnvGcpCkmsWrapperProject     = "EnvGcpCkmsWrapperProject"
	EnvVaultGcpCkmsSealCryptoKey = "EnvVaultGcpCkmsSealCryptoKey"
	EnvVaultGcpCkmsSealKeyRing   = "EnvVaultGcpCkmsSealKeyRing"
)

// Wrapper is never configured.
type Wrapper struct{ wrapping.Wrapper }

// NewWrapper returns a Wrapper without a seal behind it.
func NewWrapper() *Wrapper { return &Wrapper{} }
