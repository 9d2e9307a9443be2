package main

import "strings"

// subject is one thing that is measured: a server and what it is asked to do.
type subject struct {
	name     string
	about    string
	server   string // in servers
	path     string
	queued   int    // calls per request that are made after the answer
	baseline string // the subject that it is compared with
	// like names what the first body that the processor got must mean the
	// same as: asSent, or the subject that makes the same edits.
	like string
	// checks are made on the first body that each of the stub's destinations
	// got. With like, they see to it that no figure stands for work that was
	// not done.
	checks []check
}

// asSent is the like of what only forwards.
const asSent = "the request"

// check says what a destination's body holds and does not hold.
type check struct{ of, holds, lacks string }

var tokenized = []check{{of: "/processor", holds: `"number"`, lacks: card}, {of: "/processor", lacks: `"patient"`}}

var divided = []check{
	{of: "/processor", holds: card, lacks: `"patient"`}, {of: "/ehr", holds: `"patient"`, lacks: card}, {of: "/ehr", lacks: "SK-CRM"},
	{of: "/ledger", holds: "SK-CRM", lacks: "TX-BTX"}, {of: "/ledger", lacks: card},
}

// subjects are measured in this order, and in every other round in the
// reverse: each beside what it is compared with.
var subjects = []subject{
	{
		name: "raw-1", about: "fasthttp, forwards", server: "forward", path: "/one", like: asSent,
	},
	{
		name: "identity", about: "Chaperone on Redis: one leg that sees everything; recorded", server: "chaperone", path: "/identity", baseline: "raw-1", like: asSent,
	},
	{
		name: "tokenize", about: "Chaperone on Redis: card to token, health data dropped; recorded", server: "chaperone", path: "/tokenize", baseline: "raw-1",
		checks: tokenized,
	},
	{
		name: "tokenize-file", about: "the same on the embedded store, which syncs its file", server: "embedded", path: "/tokenize", baseline: "raw-1", like: "tokenize",
	},
	{
		name: "nginx", about: "nginx, forwards", server: "nginx", path: "/one", baseline: "raw-1", like: asSent,
	},
	{
		name: "haproxy", about: "HAProxy, forwards", server: "haproxy", path: "/one", baseline: "raw-1", like: asSent,
	},
	{
		name: "nginx-lua", about: "nginx, Lua and cjson: the edits of tokenize; no record", server: "nginx-lua", path: "/edit", baseline: "raw-1", like: "tokenize",
	},
	{
		name: "nginx-lua-redis", about: "the same and one plain, awaited XADD before forwarding", server: "nginx-lua", path: "/record", baseline: "raw-1", like: "tokenize",
	},
	{
		name: "gjson", about: "fasthttp, gjson and sjson: the edits of tokenize; no record", server: "gjson", path: "/one", baseline: "raw-1", like: "tokenize",
	},
	{
		name: "httputil", about: "httputil.ReverseProxy and encoding/json: the same", server: "httputil", path: "/one", baseline: "raw-1", like: "tokenize",
	},
	{
		name: "raw-3", about: "fasthttp, forwards to three, one after the other", server: "forward", path: "/three", like: asSent,
		checks: []check{{of: "/ledger", holds: card}, {of: "/ehr", holds: card}},
	},
	{
		name: "split", about: "Chaperone on Redis: three legs, two of them queued and delivered; recorded", server: "chaperone", path: "/split", queued: 2, baseline: "raw-3",
		checks: divided,
	},
	{
		name: "split-file", about: "the same on the embedded store", server: "embedded", path: "/split", queued: 2, baseline: "raw-3",
		checks: divided,
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
		if want[s.name] {
			for _, other := range []string{s.baseline, s.like} {
				if other != "" {
					want[other] = true
				}
			}
		}
	}
	// What a subject is compared with has a baseline of its own.
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
