// Package audit is the decision log: what an entry says and how it is written
// (Entry), how it is sealed at rest (Sealing), how entries are chained and the
// chain's head is signed (Checkpoint) and witnessed by other chains (Witness),
// how old entries are moved into files (Archive), and how a log is read again:
// Tail, Reader.Export, Reader.Disclosures, Reader.Breach, and Verify, which
// shares nothing with the writer but the format.
//
// An entry holds names of the policy, ids of our own making, codes and counts.
// It never holds a value, nor a member name of a body.
//
// # The format
//
//	entry   = one JSON object, members in a fixed order, absent where empty,
//	          no white space; the first member is "v":1
//	sealed  = AEAD(entry), associated data "chaperone log entry"
//	hash₀   = SHA-256(chain id)
//	hashₙ   = SHA-256(hashₙ₋₁ ‖ n as 8 bytes, big-endian ‖ SHA-256(sealedₙ))
//
// Sequence numbers count from 1. A chain is one boot of one process; an entry
// that had to wait on local disk may stand in the chain of a later one.
//
//	checkpoint = {"v":1,"chain":…,"seq":n,"hash":hashₙ,"time":…,"key":…,"sig":…}
//
// Its signature (Ed25519, RFC 8032) is over the lines "chaperone checkpoint 1",
// chain, n, hashₙ and time, each ended by a line feed. Hash and signature are
// base64url without padding.
//
//	cut = {"v":1,"chain":…,"from":m,"to":n,"hash":hashₙ,"file":…,"time":…,"key":…,"sig":…}
//
// Its signature is over "chaperone cut 1" and the members in this order, as
// above. Segment describes the file of a segment; its signature is over
// "chaperone segment 1", chain, from, to, before, last, first, newest, size and
// content.
package audit
