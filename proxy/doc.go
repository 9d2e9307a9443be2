// Package proxy is the central room: it listens, knows callers, finds routes,
// records before it acts, forwards, answers, and delivers what was queued.
//
// # The life of a request
//
// head.go judges the head: host, origin, caller, route, content. life.go takes
// the body through the engine (scan, decide, resolve, render), guards what
// would leave, records it (record.go, claim.go), calls the primary
// (primary.go, upstream.go), classifies what came back (outcome.go), stores
// that, and answers (answer.go). A refusal at any step before the primary is
// called forwards nothing; no failure of ours after it changes the primary's
// outcome in the answer.
//
// # What is stored, and what it proves
//
// A claim says that an attempt at an idempotency key is ours; its outcome says
// how it ended; a delivery says how a held leg ended. All three are registers
// that are written once, sealed, with the register's name as associated data.
// An outcome belongs to a claim only if it names the claim's request id, and a
// claim whose fate was not known is given up only once it is seen to be ours:
// a void must never end the sale of somebody else.
package proxy
