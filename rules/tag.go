package rules

import "crypto/sha256"

// tagLetters are the 32 letters of every text id of ours: none is a digit, so
// that no id can look like a card number. vault/letters has the same; rules
// does not import it, and a test holds the two together.
const tagLetters = "abcdefghijkmnpqrstuvwxyzACDEFHJK"

// Letters returns the alphabet of label tags.
func Letters() string { return tagLetters }

// TagOf returns the tag that sealed tokens of a label bear: 20 bits of the
// SHA-256 of its name. It is the same in every policy that has the label.
func TagOf(label string) [4]byte {
	sum := sha256.Sum256([]byte(label))
	var tag [4]byte
	for i := range tag {
		tag[i] = tagLetters[sum[i]&31]
	}
	return tag
}
