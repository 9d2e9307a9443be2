//go:build !amd64

package detect

// blocks says that the machine can look at blocks of bytes.
const blocks = false

func firstRun([]byte, uint64) int { return 0 }
