package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// memory is a Source whose records a test can damage.
type memory struct {
	mu          sync.Mutex
	chains      []string
	records     map[string][]Record
	checkpoints map[string][]byte
	cuts        map[string][]byte
	err         error // that every read gives
}

func newMemory() *memory {
	return &memory{records: map[string][]Record{}, checkpoints: map[string][]byte{}, cuts: map[string][]byte{}}
}

func (m *memory) Chains(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.chains), m.err
}

func (m *memory) Records(_ context.Context, chain string, from uint64, limit int) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Record
	for _, r := range m.records[chain] {
		if r.Seq >= from && len(found) < limit {
			found = append(found, r)
		}
	}
	return found, m.err
}

func (m *memory) Last(_ context.Context, chain string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var last uint64
	for _, r := range m.records[chain] {
		last = max(last, r.Seq)
	}
	return last, m.err
}

func (m *memory) Checkpoint(_ context.Context, chain string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checkpoints[chain], m.err
}

func (m *memory) Cut(_ context.Context, chain string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cuts[chain], m.err
}

func (m *memory) register(_ context.Context, chain string, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkpoints[chain] = text
	return m.err
}

// chain appends n entries to a chain, made if need be.
func (m *memory) chain(id string, n int) {
	for range n {
		m.append(id, Entry{Kind: KindDecision})
	}
}

// append appends an entry to a chain, made if need be. It gets a time and a
// request of its own.
func (m *memory) append(id string, e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.chains, id) {
		m.chains = append(m.chains, id)
	}
	seq := uint64(len(m.records[id]) + 1)
	previous := First(id)
	if seq > 1 {
		previous = m.records[id][seq-2].Hash
	}
	e.Time, e.Request = instant(int(seq)*1000), ID(fmt.Sprintf("r-%s-%d", id, seq))
	sealed := NewSealing(testSealer{}, id).Seal(nil, &e)
	m.records[id] = append(m.records[id], Record{Seq: seq, Entry: sealed, Hash: Next(previous, seq, sealed)})
}

// head returns the head of a chain.
func (m *memory) head(id string) Head {
	m.mu.Lock()
	defer m.mu.Unlock()
	rs := m.records[id]
	if len(rs) == 0 {
		return Head{Chain: id, Hash: First(id)}
	}
	return Head{Chain: id, Seq: rs[len(rs)-1].Seq, Hash: rs[len(rs)-1].Hash}
}

// rehash makes the hashes fit from the record at index i on, as one would who
// can write to the store.
func (m *memory) rehash(id string, i int) {
	for ; i < len(m.records[id]); i++ {
		previous := First(id)
		if i > 0 {
			previous = m.records[id][i-1].Hash
		}
		r := &m.records[id][i]
		r.Hash = Next(previous, r.Seq, r.Entry)
	}
}

// testSealer authenticates and does not hide: a text and its HMAC. Like an
// AEAD with a random nonce it never seals to the same bytes twice, because
// no two entries of these tests are equal.
type testSealer struct{}

func (testSealer) Seal(dst, plaintext, ad []byte) []byte {
	dst = append(dst, plaintext...)
	return append(dst, testMAC(nil, "seal", plaintext, ad)...)
}

func (testSealer) Open(dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < sha256.Size {
		return nil, errors.New("too short")
	}
	text, mac := sealed[:len(sealed)-sha256.Size], sealed[len(sealed)-sha256.Size:]
	if !bytes.Equal(mac, testMAC(nil, "seal", text, ad)) {
		return nil, errors.New("altered")
	}
	return append(dst, text...), nil
}

// testMAC has the shape of keys.Ring.MAC.
func testMAC(dst []byte, purpose string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte("test key "+purpose))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return h.Sum(dst)
}

var testSigner = NewSigner(testMAC)

// sign returns a checkpoint of the head of a chain.
func sign(h Head) Checkpoint {
	c := Checkpoint{Chain: h.Chain, Seq: h.Seq, Hash: h.Hash, Time: instant(0)}
	c.Sign(testSigner)
	return c
}

func verifyOptions(file string) VerifyOptions {
	return VerifyOptions{Sealer: testSealer{}, Key: testSigner.Public(), File: file}
}

func mustVerify(t *testing.T, src Source, o VerifyOptions) Report {
	t.Helper()
	r, err := Verify(t.Context(), src, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
