// Package keys is the keyring: the data keys of Chaperone, in memory, and how
// they come from and go back to a local file or HashiCorp Vault.
//
// # Keys
//
// One data key per use and generation:
//
//	use     algorithm      for
//	pan     AES-256-FF1    pan tokens; at most five generations live
//	sealed  XAES-256-GCM   sealed tokens, randomized
//	join    AES-SIV (512)  sealed tokens that are equal for equal values
//	store   XAES-256-GCM   everything that is stored
//	derive  HMAC-SHA-256   MACs, by purpose; it never rotates
//
// The newest generation whose time has come makes; every one that is not
// destroyed still opens. A generation's number is never used again.
//
// # Why XAES-256-GCM
//
// AES-GCM with a random 96-bit nonce is good for 2^32 messages of one key,
// which a busy proxy can reach, and it fails badly after that. XAES-256-GCM
// (C2SP) takes 192 random bits: the first half derives a key of its own, the
// second is the nonce under it, and only AES and GCM, both inside the FIPS
// boundary, do the work. Deriving a key for every message costs more than the
// message, so one process keeps a first half for at most 2^16 messages and then
// draws another. Two of those share a nonce with a probability below
// 2^31 · 2^-96 = 2^-65, where SP 800-38D, section 8.3, allows 2^-32 for one key
// and 2^32 messages; after 2^48 messages, which are 2^32 such keys, it is about
// 2^-33 that any two share key and nonce. Each is an ordinary XAES-256-GCM
// message that any implementation opens (c2sp.org/XAES-256-GCM).
//
// The second half is read from the system for each message, 0.15 µs, and never
// ahead of time: a virtual machine that is copied, or taken back to a snapshot,
// while numbers lie ready would use them twice under one key. The system's own
// generator knows when that happens.
//
// AES-SIV comes from Tink. It needs no nonce: equal values under equal
// associated data give equal ciphertexts, and that is all that it reveals.
//
// # Formats
//
// What is sealed, the head in clear:
//
//	byte 0      1 XAES-256-GCM, 2 AES-SIV
//	byte 1      generation, 1 to 255
//	XAES:       24 bytes of nonce, ciphertext, 16 bytes of tag
//	AES-SIV:    16 bytes of synthetic IV, ciphertext
//
// The keyset, before it is wrapped (JSON, "format": "chaperone-keyset",
// "version": 1), is an id that never changes, a revision that counts up with
// every change, and the keys with use, generation, algorithm, state and times.
// It is wrapped whole, with id and revision as associated data:
//
//   - locally, in keyring.json, by XAES-256-GCM under the key of a key file or
//     under one that Argon2id makes of a passphrase;
//   - in Vault, by a Transit key that never leaves it, and kept in KV v2, where
//     every write is a check-and-set on the version that was read.
//
// # What memory holds
//
// Close zeroes the key bytes that this package owns. The expanded keys inside
// the standard library's ciphers, and copies that JSON and base64 made while a
// keyset was read, are left to the garbage collector.
package keys
