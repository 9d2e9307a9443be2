package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"chaperone/vault/letters"
)

// newCallerKey returns a caller's key, chp_ and 260 random bits as letters, and
// the SHA-256 by which the policy knows it. No digit stands in it: nothing in a
// key can look like a card number, to our own guard or to another's scanner.
func newCallerKey() (key, hash string) {
	key = "chp_" + letters.Random(52)
	return key, hashKey([]byte(key))
}

func hashKey(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// maxCallerKey bounds the key that a caller has already.
const maxCallerKey = 8 << 10

// readCallerKey reads a key that a system has already, from a file or a pipe.
// The end of the line is not part of it.
func readCallerKey(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxCallerKey+1))
	if err != nil {
		return nil, failed("", "the key cannot be read: %w", err)
	}
	b = bytes.TrimRight(b, "\r\n")
	switch {
	case len(b) > maxCallerKey:
		return nil, failed("", "the key is longer than %d bytes", maxCallerKey)
	case len(b) < 16:
		return nil, failed("give the system a longer key, or a new one without --existing", "a key of less than 16 bytes can be guessed")
	case bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, failed("pipe the key alone, without the word Bearer before it", "a key has no blanks and nothing but ASCII")
	}
	return b, nil
}

// callerName is what a policy takes as a caller's name.
var callerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

func newCallersCommand(a *app) *cobra.Command {
	callers := &cobra.Command{
		Use:   "callers",
		Short: "Make keys for the systems that call the proxy",
		Args:  cobra.ArbitraryArgs,
		RunE:  groupOnly,
	}
	existing := false
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Print a new key and the lines for rules.yaml",
		Long: `Makes a new random key for a caller and prints it, its SHA-256 and the lines
to paste under callers: in rules.yaml. The key is shown this once and stored
nowhere: put it into the calling system, as "Authorization: Bearer KEY".

A system whose settings cannot be changed beyond an address often sends a key
already, the one of its processor. With --existing that key is read from
standard input, and only its hash is printed. Where it stands in another header
than Authorization, name that under identify: in rules.yaml.`,
		Example: "  chaperone callers add front-desk\n  chaperone callers add front-desk --existing < key.txt",
		Args:    exactArguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !callerName.MatchString(args[0]) {
				return usageError(cmd, "a caller's name begins with a letter and has letters, digits, - and _, at most 63")
			}
			if existing {
				key, err := readCallerKey(a.in)
				if err != nil {
					return err
				}
				return writeCaller(a.out, args[0], hashKey(key))
			}
			key, hash := newCallerKey()
			if _, err := fmt.Fprintf(a.out, "key: %s\n", key); err != nil {
				return err
			}
			return writeCaller(a.out, args[0], hash)
		},
	}
	add.Flags().BoolVar(&existing, "existing", false, "read the key that the system has from standard input")
	callers.AddCommand(add)
	return callers
}

func writeCaller(w io.Writer, name, hash string) error {
	_, err := fmt.Fprintf(w, `sha256: %s

The key itself is not shown again and stored nowhere. In rules.yaml:

callers:
  %s:
    key_sha256: %s
    routes: [checkout]     # the routes that it may use
    sees: {pan: token}     # what it may see in answers
`, hash, name, hash)
	return err
}
