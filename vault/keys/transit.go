package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"
)

// transit is one key of a Transit mount, which never leaves Vault. What it
// makes is what Tink's AEAD over Vault makes; unlike that, a call here ends
// with its context, so that closing a ring never waits for a hung Vault.
type transit struct {
	client      *api.Client
	mount, name string
}

func (t transit) String() string { return t.mount + "/" + t.name }

// encrypt returns the ciphertext, "vault:v" and the version of the key first.
func (t transit) encrypt(ctx context.Context, plain, ad []byte) (string, error) {
	secret, err := t.call(ctx, "encrypt", "plaintext", base64.StdEncoding.EncodeToString(plain), ad)
	if err != nil {
		return "", explain("wrap with "+t.String(), err)
	}
	if secret != nil {
		if text, _ := secret.Data["ciphertext"].(string); text != "" {
			return text, nil
		}
	}
	return "", fmt.Errorf("%w: wrap with %s: no ciphertext in the answer", ErrUnreachable, t)
}

// decrypt returns what encrypt was given. The caller zeroes it.
func (t transit) decrypt(ctx context.Context, ciphertext string, ad []byte) ([]byte, error) {
	secret, err := t.call(ctx, "decrypt", "ciphertext", ciphertext, ad)
	if err != nil {
		return nil, explain("unwrap with "+t.String(), err)
	}
	if secret != nil {
		text, _ := secret.Data["plaintext"].(string)
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil && len(plain) > 0 {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("%w: unwrap with %s: no plaintext in the answer", ErrUnreachable, t)
}

func (t transit) call(ctx context.Context, verb, field, value string, ad []byte) (*api.Secret, error) {
	return t.client.Logical().WriteWithContext(ctx, t.mount+"/"+verb+"/"+t.name, map[string]any{
		field: value, "associated_data": base64.StdEncoding.EncodeToString(ad),
	})
}

// version asks which version of the key wraps now. It needs no right beyond
// that to encrypt.
func (t transit) version(ctx context.Context) (int, error) {
	text, err := t.encrypt(ctx, []byte{0}, nil)
	if err != nil {
		return 0, err
	}
	return transitVersion(text)
}

var errCiphertext = errors.New("keys: not a ciphertext of Vault")

// transitVersion reads the version of the key from a ciphertext.
func transitVersion(ciphertext string) (int, error) {
	rest, ok := strings.CutPrefix(ciphertext, "vault:v")
	digits, _, more := strings.Cut(rest, ":")
	n, err := strconv.Atoi(digits)
	if !ok || !more || err != nil || n < 1 {
		return 0, errCiphertext
	}
	return n, nil
}
