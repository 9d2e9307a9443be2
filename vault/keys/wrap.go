package keys

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"chaperone/vault/letters"
)

// wrapParams say, in keyring.json, what the keyset is wrapped with. They are
// not secret, and whoever changes them makes another key, which does not open.
type wrapParams struct {
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // file or passphrase
	// Of Argon2id, where Key is passphrase.
	Salt      []byte `json:"salt,omitempty"`
	Time      uint32 `json:"time,omitempty"`
	MemoryKiB uint32 `json:"memory_kib,omitempty"`
	Threads   uint8  `json:"threads,omitempty"`
}

const (
	wrapAlgorithm   = "XAES-256-GCM"
	wrapFile        = "file"
	wrapPassphrase  = "passphrase"
	keyFilePrefix   = "chaperone-key-1:"
	minPassphrase   = 8
	argonSalt       = 16
	argonTime       = 3 // RFC 9106, the second recommended option
	argonMemoryKiB  = 64 * 1024
	argonThreads    = 4
	mostArgonTime   = 64
	mostArgonMemory = 4 * 1024 * 1024 // KiB; more in a file is an attack or an accident
)

// wrapKey is what opens and closes keyring.json.
type wrapKey struct {
	params wrapParams
	aead   *xaes
}

// newWrap makes the wrapping of a new keyring. A key file that is there
// already is used.
func newWrap(o LocalOptions, files durable) (*wrapKey, error) {
	if o.Passphrase != nil {
		p := wrapParams{
			Algorithm: wrapAlgorithm, Key: wrapPassphrase,
			Salt: make([]byte, argonSalt), Time: argonTime, MemoryKiB: argonMemoryKiB, Threads: argonThreads,
		}
		_, _ = rand.Read(p.Salt) // never fails: crypto/rand ends the process instead
		return fromPassphrase(o, p)
	}
	p := wrapParams{Algorithm: wrapAlgorithm, Key: wrapFile}
	path := keyFilePath(o)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		key := make([]byte, xaesKeySize)
		_, _ = rand.Read(key) // never fails, as above
		text := append(letters.Encode([]byte(keyFilePrefix), key), '\n')
		clear(key)
		err := files.write(path, text)
		clear(text)
		if err != nil {
			return nil, err
		}
	}
	return fromFile(o, p)
}

// unlockWrap returns the wrapping that a keyring says it has.
func unlockWrap(o LocalOptions, p wrapParams) (*wrapKey, error) {
	if p.Algorithm != wrapAlgorithm {
		return nil, fmt.Errorf("%w: the keyring is wrapped with an unknown algorithm", ErrMalformed)
	}
	switch {
	case p.Key == wrapFile && o.Passphrase == nil:
		return fromFile(o, p)
	case p.Key == wrapPassphrase && o.Passphrase != nil:
		return fromPassphrase(o, p)
	case p.Key == wrapFile:
		return nil, fmt.Errorf("%w: the keyring is wrapped with a key file, not with a passphrase", ErrWrongKey)
	case p.Key == wrapPassphrase:
		return nil, fmt.Errorf("%w: the keyring is wrapped with a passphrase, not with a key file", ErrWrongKey)
	}
	return nil, fmt.Errorf("%w: the keyring is wrapped with an unknown kind of key", ErrMalformed)
}

func keyFilePath(o LocalOptions) string {
	if o.KeyFile != "" {
		return o.KeyFile
	}
	return filepath.Join(o.Dir, LocalKeyFile)
}

func fromFile(o LocalOptions, p wrapParams) (*wrapKey, error) {
	path := keyFilePath(o)
	b, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	text, ok := bytes.CutPrefix(bytes.TrimSpace(b), []byte(keyFilePrefix))
	if !ok {
		return nil, fmt.Errorf("%w: %s is not a key file", ErrMalformed, path)
	}
	key, err := letters.Decode(nil, text)
	if err != nil || len(key) != xaesKeySize {
		return nil, fmt.Errorf("%w: the key in %s is damaged", ErrMalformed, path)
	}
	return finishWrap(p, key)
}

func fromPassphrase(o LocalOptions, p wrapParams) (*wrapKey, error) {
	if len(p.Salt) < argonSalt || p.Time < 1 || p.Time > mostArgonTime || p.Threads < 1 ||
		p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > mostArgonMemory {
		return nil, fmt.Errorf("%w: the parameters of Argon2id are out of range", ErrMalformed)
	}
	secret, err := o.Passphrase()
	if err != nil {
		return nil, fmt.Errorf("keys: passphrase: %w", err)
	}
	defer clear(secret)
	if len(secret) < minPassphrase {
		return nil, fmt.Errorf("%w: the passphrase has fewer than %d bytes", ErrWrongKey, minPassphrase)
	}
	return finishWrap(p, argon2.IDKey(secret, p.Salt, p.Time, p.MemoryKiB, p.Threads, xaesKeySize))
}

// finishWrap zeroes key.
func finishWrap(p wrapParams, key []byte) (*wrapKey, error) {
	defer clear(key)
	aead, err := newXAES(key)
	if err != nil {
		return nil, err
	}
	return &wrapKey{params: p, aead: aead}, nil
}
