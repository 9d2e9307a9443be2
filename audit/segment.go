package audit

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Segment is the head of a segment file, which holds a stretch of one chain:
//
//	file    = head body
//	head    = JSON, padded with spaces and a line feed to 1,024 bytes
//	body    = one Zstandard frame (RFC 8878) of records
//	record  = seq as uvarint ‖ hash (32 bytes) ‖ length as uvarint ‖ sealed entry
//
// Entries stay sealed as they were in the store. The signature is over all
// members of the head, among them the SHA-256 of the body.
type Segment struct {
	Chain    string
	From, To uint64    // the first and the last entry
	Before   Hash      // of the chain before From
	Last     Hash      // of the chain at To
	First    time.Time // the earliest and the latest time of an entry
	Newest   time.Time
	Size     uint64 // of the body, in bytes
	Content  Hash   // SHA-256 of the body

	Key       string // KeyID of the signer
	Signature []byte
}

// ErrSegment is wrapped by every error about a segment's form, signature or
// content.
var ErrSegment = errors.New("not a segment of this log")

const (
	headSize = 1024
	// SegmentSuffix ends the name of a segment file.
	SegmentSuffix = ".seg"
	// maxSealed bounds one sealed entry that is read from a segment, in bytes.
	maxSealed = 64 << 20
)

// Name returns the name of the segment's file: CHAIN_FROM-TO.seg. Names order
// the segments of a chain.
func (s *Segment) Name() string {
	return fmt.Sprintf("%s_%010d-%010d%s", s.Chain, s.From, s.To, SegmentSuffix)
}

func (s *Segment) statement() *statement {
	return newStatement("segment 1").text(s.Chain).number(s.From).number(s.To).hash(&s.Before).hash(&s.Last).
		time(s.First).time(s.Newest).number(s.Size).hash(&s.Content)
}

// Sign signs the head.
func (s *Segment) Sign(with Signer) {
	s.Key = KeyID(with.Public())
	s.Signature = with.Sign(s.statement().b)
}

// Check returns nil if the head was signed with key, else an error that wraps
// ErrSegment.
func (s *Segment) Check(key ed25519.PublicKey) error {
	if err := s.statement().check(key, s.Key, s.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrSegment, err)
	}
	return nil
}

// head returns the head as it stands in the file.
func (s *Segment) head() []byte {
	w := newSignedObject()
	w.string("chain", s.Chain)
	w.unsigned("from", s.From)
	w.unsigned("to", s.To)
	w.bytes("before", s.Before[:])
	w.bytes("last", s.Last[:])
	w.time("first", s.First)
	w.time("newest", s.Newest)
	w.unsigned("size", s.Size)
	w.bytes("content", s.Content[:])
	w.string("key", s.Key)
	w.bytes("sig", s.Signature)
	text := w.end()
	return append(append(text, bytes.Repeat([]byte{' '}, max(0, headSize-1-len(text)))...), '\n')
}

// parseHead reads what head writes, and nothing else. It does not check the
// signature.
func parseHead(text []byte) (Segment, error) {
	var j struct {
		Version   int       `json:"v"`
		Chain     string    `json:"chain"`
		From      uint64    `json:"from"`
		To        uint64    `json:"to"`
		Before    string    `json:"before"`
		Last      string    `json:"last"`
		First     time.Time `json:"first"`
		Newest    time.Time `json:"newest"`
		Size      uint64    `json:"size"`
		Content   string    `json:"content"`
		Key       string    `json:"key"`
		Signature string    `json:"sig"`
	}
	if err := parseSigned(text, &j); err != nil {
		return Segment{}, fmt.Errorf("%w: %w", ErrSegment, err)
	}
	s := Segment{Chain: j.Chain, From: j.From, To: j.To, First: j.First.UTC(), Newest: j.Newest.UTC(), Size: j.Size, Key: j.Key}
	var before, last, content, sig error
	s.Before, before = parseHash(j.Before)
	s.Last, last = parseHash(j.Last)
	s.Content, content = parseHash(j.Content)
	s.Signature, sig = base64url.DecodeString(j.Signature)
	if err := cmp.Or(before, last, content, sig); err != nil {
		return Segment{}, fmt.Errorf("%w: %w", ErrSegment, err)
	}
	if !bytes.Equal(s.head(), text) {
		return Segment{}, fmt.Errorf("%w: not as it is written", ErrSegment)
	}
	if s.From == 0 || s.To < s.From || !chainName(s.Chain) {
		return Segment{}, fmt.Errorf("%w: it holds no stretch of a chain", ErrSegment)
	}
	return s, nil
}

// chainName reports whether a chain's id is one of ours. Others could not name
// a file: the list of chains stands in the store, for whoever writes there.
func chainName(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}
