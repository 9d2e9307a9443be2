// Package e2e holds tests of the whole program: a real chaperone process, real
// Redis and real Vault, and receivers that write down every byte they get. It
// knows nothing of the engine: what a party may see is judged with
// encoding/json alone.
package e2e
