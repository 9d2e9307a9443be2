//go:build !race

package store

// raceEnabled says that the race detector is on: sync.Pool then drops what it
// is given, by chance.
const raceEnabled = false
