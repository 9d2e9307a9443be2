// Command buildserver builds the Vault server of the tests, unless the cache
// has it, and prints its path. Run it from inside the project.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"chaperone/vault/keys/vaulttest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := vaulttest.Binary(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
