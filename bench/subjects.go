package main

import "strings"

// subject is one thing that is measured: a server and what it is asked to do.
type subject struct {
	name     string
	about    string
	path     string
	proxy    bool   // Chaperone, else the plain forwarder
	queued   int    // calls per request that are made after the answer
	baseline string // the subject that it is compared with
	budget   string // DESIGN section 7: the least ratio of throughput
	// checks are made on the first body that each of the stub's destinations
	// got, so that no figure stands for work that was not done.
	checks []check
}

// check says what a destination's body holds and does not hold.
type check struct{ of, holds, lacks string }

// subjects are measured in this order in every round: each beside what it is
// compared with.
var subjects = []subject{
	{
		name: "raw-1", about: "fasthttp forwarding, one call", path: "/one",
		checks: []check{{of: "/processor", holds: card}},
	},
	{
		name: "identity", about: "Chaperone: one leg that sees everything; recorded", path: "/identity", proxy: true, baseline: "raw-1",
		checks: []check{{of: "/processor", holds: card}, {of: "/processor", holds: `"patient"`}},
	},
	{
		name: "tokenize", about: "Chaperone: card to token, health data dropped; recorded", path: "/tokenize", proxy: true, baseline: "raw-1", budget: "0.50",
		checks: []check{{of: "/processor", holds: `"number"`, lacks: card}, {of: "/processor", lacks: `"patient"`}},
	},
	{
		name: "raw-3", about: "fasthttp forwarding, three calls", path: "/three",
		checks: []check{{of: "/ledger", holds: card}},
	},
	{
		name: "split", about: "Chaperone: three legs, two of them queued and delivered; recorded", path: "/split", proxy: true, queued: 2, baseline: "raw-3", budget: "0.40",
		checks: []check{
			{of: "/processor", holds: card, lacks: `"patient"`}, {of: "/ehr", holds: `"patient"`, lacks: card}, {of: "/ehr", lacks: "SK-CRM"},
			{of: "/ledger", holds: "SK-CRM", lacks: "TX-BTX"}, {of: "/ledger", lacks: card},
		},
	},
}

func subjectNames() []string {
	names := make([]string, len(subjects))
	for i, s := range subjects {
		names[i] = s.name
	}
	return names
}

// chosen returns the subjects that a list names, in their order, with those
// that they are compared with.
func chosen(only string) []subject {
	if only == "" {
		return subjects
	}
	want := map[string]bool{}
	for name := range strings.SplitSeq(only, ",") {
		want[strings.TrimSpace(name)] = true
	}
	for _, s := range subjects {
		if want[s.name] && s.baseline != "" {
			want[s.baseline] = true
		}
	}
	var list []subject
	for _, s := range subjects {
		if want[s.name] {
			list = append(list, s)
		}
	}
	return list
}
