//go:build !linux

package rig

import "errors"

var errNoDisk = errors.New("file systems in memory are mounted on Linux alone")

// Disk is a small file system of its own, which only Linux makes here.
type Disk struct{}

// Mount fails.
func Mount(string, int) (*Disk, error) { return nil, errNoDisk }

// Unmount fails.
func (*Disk) Unmount() error { return errNoDisk }

// Fill fails.
func (*Disk) Fill(int64) error { return errNoDisk }

// Free fails.
func (*Disk) Free() error { return errNoDisk }

// ReadOnly fails.
func (*Disk) ReadOnly(bool) error { return errNoDisk }
