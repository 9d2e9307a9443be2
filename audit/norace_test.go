//go:build !race

package audit

// raceEnabled says that the race detector does not run.
const raceEnabled = false
