package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// keyAlphabet has no digit: nothing in a key can look like a card number, to
// our own guard or to anybody else's scanner. Thirty-two letters, so that a
// letter is five bits of a random byte without bias.
const keyAlphabet = "abcdefghijkmnpqrstuvwxyzACDEFHJK"

// newCallerKey returns a caller's key, chp_ and 32 random bytes as letters,
// and the SHA-256 by which the policy knows it.
func newCallerKey() (key, hash string) {
	var random [32]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(random[:])
	key = "chp_" + letters(random[:])
	sum := sha256.Sum256([]byte(key))
	return key, hex.EncodeToString(sum[:])
}

// letters writes bytes as text, five bits a letter, high bits first.
func letters(b []byte) string {
	var out strings.Builder
	acc, bits := uint(0), 0
	for _, c := range b {
		acc, bits = acc<<8|uint(c), bits+8
		for bits >= 5 {
			bits -= 5
			out.WriteByte(keyAlphabet[acc>>bits&31])
		}
	}
	if bits > 0 {
		out.WriteByte(keyAlphabet[acc<<(5-bits)&31])
	}
	return out.String()
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
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Print a new key and the lines for rules.yaml",
		Long: `Makes a new random key for a caller and prints it, its SHA-256 and the lines
to paste under callers: in rules.yaml. The key is shown this once and stored
nowhere: put it into the calling system, as "Authorization: Bearer KEY".`,
		Example: "  chaperone callers add front-desk",
		Args:    exactArguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !callerName.MatchString(args[0]) {
				return usageError(cmd, "a caller's name begins with a letter and has letters, digits, - and _, at most 63")
			}
			key, hash := newCallerKey()
			return writeCaller(a.out, args[0], key, hash)
		},
	}
	callers.AddCommand(add)
	return callers
}

func writeCaller(w io.Writer, name, key, hash string) error {
	_, err := fmt.Fprintf(w, `key: %s
sha256: %s

Give the key to the caller; it is not shown again. In rules.yaml:

callers:
  %s:
    key_sha256: %s
    routes: [checkout]     # the routes that it may use
    sees: {pan: token}     # what it may see in answers
`, key, hash, name, hash)
	return err
}
