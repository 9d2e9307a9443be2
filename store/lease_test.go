package store

import (
	"testing"
	"time"
)

func TestLeaseAge(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		at, now time.Time
		want    time.Duration
	}{
		"both clocks agree": {now, now.Add(3 * time.Second), 3 * time.Second},
		// Without their monotonic part, times are what the wall clock says.
		"the wall clock alone went on":   {now.Round(0), now.Round(0).Add(time.Hour), time.Hour},
		"the wall clock alone went back": {now.Round(0), now.Round(0).Add(-time.Hour), -time.Hour},
	} {
		if got := Age(c.at, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
