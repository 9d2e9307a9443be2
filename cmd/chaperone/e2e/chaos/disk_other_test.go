//go:build !linux

package chaos

import "errors"

var errNoDisk = errors.New("file systems in memory are mounted on Linux alone")

func mountSmall(string) error  { return errNoDisk }
func unmount(string) error     { return errNoDisk }
func fill(string, int64) error { return errNoDisk }
