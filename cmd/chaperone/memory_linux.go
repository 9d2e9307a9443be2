package main

import (
	"os"
	"strconv"
	"strings"
)

// The files in which a container reads how much memory it may have: those of
// control groups version 2 and 1.
var memoryFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// memoryAllowed returns how many bytes of memory the process may have, 0 where
// nothing says so.
func memoryAllowed() int64 { return readMemory(memoryFiles) }

// noMemoryLimit is above every limit that is one; version 1 writes a number of
// that kind for none.
const noMemoryLimit = 1 << 50

func readMemory(files []string) int64 {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// Version 2 says "max" for none.
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n > 0 && n < noMemoryLimit {
			return n
		}
		return 0
	}
	return 0
}
