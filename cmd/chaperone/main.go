// Chaperone is a reverse proxy that stands between a clinic's point of sale
// and everything that it talks to: card numbers become tokens, a mixed basket
// becomes segregated calls, and every decision is on record before a byte
// leaves. See `chaperone help`.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
