//go:build race

package audit

// raceEnabled says that the race detector runs, under which all is slow.
const raceEnabled = true
