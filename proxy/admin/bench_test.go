package admin

import (
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/rules"
)

// BenchmarkRequest is what one request's metrics cost.
func BenchmarkRequest(b *testing.B) {
	m := NewMetrics(Build{})
	p := m.Use(testPlan(), time.Now())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Begin()
			p.Request(Request{Route: 0, Status: 200, Took: time.Millisecond, Waited: time.Millisecond, BodyIn: 1600, BodyOut: 300})
			p.Outcome(0, audit.ResultReleased)
			p.Decided("pan", rules.Token).Add(1)
			p.Leg(0, LegAccepted)
			p.Upstream(0, time.Millisecond)
			m.End()
		}
	})
}
