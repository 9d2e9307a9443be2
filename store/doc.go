// Package store keeps a proxy's state: the chained log, write-once registers
// and the queues that index them. It knows two kinds of store, Redis and one
// embedded file, behind one Driver, and one Committer that writes to either.
// It never sees a key or a plain value: what is secret is sealed before it
// gets here, with the name of its register as associated data.
//
// # Layout
//
// The names are the same in both kinds of store. Braces hold the hash tag
// that keeps what belongs together in one slot of a Redis Cluster; nothing
// here needs a transaction across two tags.
//
//	chains              the chains that exist, by start time
//	{chain}:log         the log: one record per sequence number, from 1; in
//	                    Redis the records of a batch share a stream's entry
//	{chain}:alive       the head; gone 15 s after its process stopped
//	{chain}:open.0|1    in Redis, claims of the last moment, which {q.L}:doubt
//	                    does not have yet (redis_open.go)
//	{r.K}:c.A           claim of attempt A (from 1) at idempotency key K
//	{r.K}:u.A           unknown: why the outcome is in doubt
//	{r.K}:o.A           outcome
//	{r.K}:p.A           pending: the primary left the sale open
//	{r.K}:r.A           taken, for a while, by whoever sends the primary again
//	{r.K}:s             a completed sale, for the calls that follow it
//	{r.K}:d.A.N         delivery of leg N
//	{r.K}:f.A.N         tries of leg N that failed
//	{r.K}:b.A.N[.ID]    large body of leg N, written before the claim by request ID
//	t:S:H               a known token of scope S
//	s:H                 a subject's random id
//	a:H                 which key a destination's alias stands for
//	m:NAME              what there is once per store
//	{q.L}:due.DEST      legs due at DEST, by time; L is a lane
//	{q.L}:dead          legs given up
//	{q.L}:doubt         claims without an outcome
//	{q.L}:g.GROUP       the legs of one ordered group, in release order
//	dests               the destinations that ever had a leg
//
// # What makes it safe
//
// Every command may be sent again: a log record has an explicit sequence
// number and is compared by its hash when it is there already, a register is
// written once and the same value written again counts as won, and a queue is
// only an index, which workers never trust and Rebuild restores from the
// registers. So a batch whose reply was lost is sent again byte for byte, and
// a request acts only when all its commands are acknowledged.
//
// # While the store is away
//
// Units that may be spooled are judged by what this process knows (the mirror:
// registers of its own acknowledged units, and all that is on local disk),
// written to the journal in the chain's order, fsync'd, and taken for stored.
// When the store is back the journal is drained in order, before anything new.
// What was in flight is sent again as it was, in its place. A register that
// then has lost to somebody else's is reported, never overwritten.
//
// # What may be promised
//
// Embedded: each acknowledged batch was synced, and survives the loss of
// power. It is a frame in a file ahead of the one that holds the state, which
// gets many batches at once; the next start puts there what is left. Redis: with appendfsync always the same. With everysec the loss of
// the machine's power, or of the server's process while its disk is slow, may
// take the last second or two, and a failover what the replica had not
// received. The committer then finds that its chain has a gap (or, where it
// died as well, a checkpoint kept elsewhere shows it), so nothing is lost in
// silence.
package store
