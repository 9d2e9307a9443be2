package store

import (
	"errors"

	"github.com/redis/go-redis/v9"
)

// errWrongType is a command on a key that holds another type: it will never
// succeed, so it must not hold up the batch.
var errWrongType = errors.New("store: the key holds another type")

// judge sorts the error of one command's reply: permanent ones belong to the
// command, everything else (the connection, a server that loads, is full,
// read-only or moving a slot, a permission that was taken away) to the batch,
// which is sent again.
func judge(err error) (permanent, transient error) {
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return nil, nil
	case redis.HasErrorPrefix(err, "WRONGTYPE"), redis.HasErrorPrefix(err, "value is not an integer"):
		return errWrongType, nil
	case errors.Is(err, redis.ErrClosed):
		return nil, ErrClosed
	}
	return nil, away(err)
}

// away wraps what kept the store from acknowledging. The cause is go-redis's
// or the server's text: an address or an error code, never a value.
func away(err error) error { return &unavailable{cause: err, sent: true} }

// readErr sorts the error of a read.
func readErr(err error) error {
	permanent, transient := judge(err)
	if permanent != nil {
		return permanent
	}
	return transient
}
