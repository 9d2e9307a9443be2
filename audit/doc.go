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
//	text    = one JSON object, members in a fixed order, absent where empty,
//	          no white space; the first member is "v":1
//	sealed  = AEAD(entry), associated data "chaperone log entry"
//	hash₀   = SHA-256(chain id)
//	hashₙ   = SHA-256(hashₙ₋₁ ‖ n as 8 bytes, big-endian ‖ SHA-256(sealedₙ))
//
// An entry is stored in its compact form, about a ninth of its text, and shown
// as its text; the two say the same. What older versions have stored is the
// text, which begins with '{'.
//
//	entry    = 2 ‖ has ‖ kind ‖ time ‖ members
//	has      = 4 bytes, a bit for each member that is there
//	kind     = a byte: the word's number, as are action, result, and a
//	           leg's state
//	time     = 8 bytes, nanoseconds since 1970; where has says that it is far,
//	           8 bytes of seconds, signed, and 4 of nanoseconds
//	members  = in the order of the text, without their names
//	reason   = its number; or 0, and its text as an id
//	number   = varint; count before each list likewise
//	origin   = 4 or 16 bytes, as has says
//	id       = n in 1 … 127 ‖ n letters of vault/letters, five bits each
//	         | 80 ‖ n ‖ letters, after "node-"; 81 likewise, after "cli-"
//	         | 82 ‖ 32 bytes, whose text is base32
//	         | 0 ‖ length ‖ text
//	name     = 0 | length ‖ bytes | slot | word     (compact_name.go)
//	leg      = state and flags ‖ name ‖ to? ‖ status? ‖ tries?
//	decision = flags ‖ form and count ‖ rule? ‖ label? ‖ class? ‖ to? ‖ pattern?
//	           ‖ form? ‖ count?
//	token    = scope ‖ label ‖ format ‖ id
//	stretch  = flags ‖ id ‖ from ‖ to ‖ hash? ‖ file?
//
// Numbers of more than one byte are little-endian, lengths and counts varints.
// A label, class or recipient that is that of the decision before is not
// written again; nor is a rule that follows from the label or the class. A
// name stands in an entry once: then it has a slot. Each entry is read by
// itself: it refers to nothing outside of it but the words and numbers of this
// version, which never change. One entry has one form: what could be written
// otherwise is not an entry.
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
