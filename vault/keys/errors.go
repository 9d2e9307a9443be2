package keys

import "errors"

// Errors of opening and changing a keyring. They say what to wait for or what
// to repair; the texts around them never hold a key, a token or a passphrase.
var (
	// ErrUnreachable says that Vault does not answer, or not as Vault. Waiting
	// may help.
	ErrUnreachable = errors.New("keys: Vault cannot be reached")
	// ErrSealed says that Vault is sealed. It helps to wait until somebody
	// unseals it.
	ErrSealed = errors.New("keys: Vault is sealed")
	// ErrDenied says that Vault refused the login or the policy does not allow
	// what the keyring needs. Waiting helps where somebody repairs that.
	ErrDenied = errors.New("keys: Vault denies access")
	// ErrMissing says that a keyset, a Transit key or a file that should exist
	// does not. It is never made up for silently.
	ErrMissing = errors.New("keys: missing")
	// ErrPermissions says that a file of secrets can be read by others than
	// its owner.
	ErrPermissions = errors.New("keys: file is open to others")
	// ErrWrongKey says that the wrapping key or passphrase does not open the
	// keyset, or that the keyset was altered: the two cannot be told apart.
	ErrWrongKey = errors.New("keys: the keyset does not open with this key")
	// ErrMalformed says that a keyset or its wrapping is not of a format that
	// this version knows.
	ErrMalformed = errors.New("keys: malformed")
	// ErrConflict says that somebody else changed the keyset at the same time.
	// The ring now has theirs; look before doing it again.
	ErrConflict = errors.New("keys: changed by somebody else")
	// ErrSlots says that five generations of pan keys are live: destroy the
	// oldest before the next rotation.
	ErrSlots = errors.New("keys: five generations of pan keys are live; destroy the oldest first")
	// ErrState says that a generation cannot change its state in the way that
	// was asked: the current one cannot be retired or destroyed, and the key
	// derive never rotates.
	ErrState = errors.New("keys: not possible for this generation")
	// ErrClosed says that the ring was closed.
	ErrClosed = errors.New("keys: the ring is closed")
)

// Errors of Open and OpenToken.
var (
	// ErrForged says that what was given is not sealed by this keyring under
	// this associated data.
	ErrForged = errors.New("keys: does not open")
	// ErrGeneration says that the generation is destroyed, or not known yet.
	ErrGeneration = errors.New("keys: no such generation")
)
