package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// explain turns an error of the Vault client into one of ours. Vault's own
// messages are passed on: they name paths and policies, never what was sent.
func explain(what string, err error) error {
	var re *api.ResponseError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, what, err)
	case errors.Is(err, api.ErrSecretNotFound):
		// A write that was answered with nothing: not a KV v2 mount.
		return fmt.Errorf("%w: %s: is the mount KV version 2?", ErrMalformed, what)
	case !errors.As(err, &re):
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, what, err)
	}
	message := strings.Join(strings.Fields(strings.Join(re.Errors, "; ")), " ")
	if re.RawError { // whatever answered is not Vault
		return fmt.Errorf("%w: %s: HTTP %d with no message of Vault", ErrUnreachable, what, re.StatusCode)
	}
	return fmt.Errorf("%w: %s: %s (HTTP %d)", kindOf(re.StatusCode, message), what, message, re.StatusCode)
}

func kindOf(status int, message string) error {
	has := func(s string) bool { return strings.Contains(message, s) }
	switch {
	case status == http.StatusServiceUnavailable && has("Vault is sealed"):
		return ErrSealed
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return ErrDenied
	case has("invalid role or secret ID"), has("invalid role ID"), has("invalid secret id"),
		has("invalid role name"): // of Kubernetes
		return ErrDenied
	case status == http.StatusNotFound, has("encryption key not found"):
		return ErrMissing
	case has("check-and-set parameter"):
		return ErrConflict
	case has("message authentication failed"), has("invalid ciphertext"):
		return ErrWrongKey
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests,
		status == 472, status == 473: // standby nodes that do not serve
		return ErrUnreachable
	}
	return errRefused
}

// errRefused is a refusal of Vault that has no name of its own here.
var errRefused = errors.New("keys: Vault refused")

// word is the Status.LastError of an error.
func word(err error) string {
	for _, w := range []struct {
		err  error
		word string
	}{
		{ErrSealed, "sealed"}, {ErrDenied, "denied"}, {ErrMissing, "missing"}, {ErrConflict, "conflict"},
		{ErrUnreachable, "unreachable"}, {ErrMalformed, "malformed"}, {ErrWrongKey, "malformed"},
	} {
		if errors.Is(err, w.err) {
			return w.word
		}
	}
	return "refused"
}
