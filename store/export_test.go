package store

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// OverPipeline has a driver for one server send its batches as one for a
// Cluster does: by go-redis's pipeline.
func OverPipeline(d Driver) error {
	r := d.(*redisDriver)
	o := *r.side.(*redis.Client).Options()
	o.OnConnect, o.MaxRetries = r.meet, -1
	client := redis.NewClient(&o)
	r.waiting(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.line
	r.line = pipeline{client}
	return old.close()
}

// LosesSome is what the count of failovers goes by.
var LosesSome = losesSome

// WatchCertificates has a driver look at its servers' certificates more often.
func WatchCertificates(d Driver, every time.Duration) { d.(*redisDriver).watchCertificates(every) }
