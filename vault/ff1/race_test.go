//go:build race

package ff1

// raceEnabled says that the race detector is on: sync.Pool then drops what it
// is given at random, so allocations cannot be counted, and everything takes
// ten times as long.
const raceEnabled = true
