package control

import "time"

// Breaker says that a destination fails as a whole: its queued legs are held
// back by this proxy, but for one now and then.
type Breaker struct {
	Destination string    `json:"breaker"`
	Since       time.Time `json:"since"`
	Probe       time.Time `json:"next_probe"` // when a leg is sent to see
	Failures    int       `json:"failures"`   // in a row
	Reason      string    `json:"reason"`     // of the last
}
