// Package rig is what tests of the whole program share: the program itself,
// built once, its process, and ports that stay free while a process is down.
package rig
