package audit_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// hiding is an AEAD good enough for tests: a nonce, and an HMAC over it.
type hiding struct{}

func (hiding) Seal(dst, plaintext, ad []byte) []byte {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	dst = append(append(dst, nonce...), plaintext...)
	return append(dst, mac(nil, "seal", nonce, plaintext, ad)...)
}

func (hiding) Open(dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < 48 {
		return nil, errors.New("too short")
	}
	nonce, text, tag := sealed[:16], sealed[16:len(sealed)-32], sealed[len(sealed)-32:]
	if !hmac.Equal(tag, mac(nil, "seal", nonce, text, ad)) {
		return nil, errors.New("altered")
	}
	return append(dst, text...), nil
}

func mac(dst []byte, purpose string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte("test key "+purpose))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return h.Sum(dst)
}

// TestOverRealStores writes a log through the committer of each kind of store,
// reads it again, and damages it behind the committer's back.
func TestOverRealStores(t *testing.T) {
	t.Run("file", func(t *testing.T) { overStore(t, storetest.Open(t)) })
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t, redistest.Options{})
		d, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{server.Addr}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		overStore(t, d)
	})
}

const chain = "node-abcd"

func overStore(t *testing.T, d store.Driver) {
	ctx := storetest.Context(t)
	dir := t.TempDir()
	c := &writer{hash: store.ChainStart(chain)}
	file := audit.CheckpointFile(dir)
	signer := audit.NewSigner(mac)
	points, err := audit.NewCheckpointer(audit.CheckpointerOptions{
		Head: func() audit.Head { return audit.HeadOf(c) }, Signer: signer, File: file,
		Register: audit.RegisterIn(d), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	const entries = 2500 // several pages
	c.write(ctx, t, d, entries)
	if err := points.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r := &audit.Reader{Source: audit.FromStore(d), Sealer: hiding{}, Key: signer.Public(), File: file}
	report, err := r.Verify(ctx)
	if err != nil || !report.OK() || report.Entries() != entries || report.Chains[0].Signed != entries {
		t.Fatalf("%v: %+v", err, report)
	}
	var last []audit.Line
	err = r.Tail(ctx, audit.TailOptions{Last: 3}, func(l audit.Line) error { last = append(last, l); return nil })
	if err != nil || len(last) != 3 || last[2].Seq != entries || last[2].Entry.Request != "r.cfaa" {
		t.Fatalf("%v: %+v", err, last)
	}

	// A FLUSHALL, or a store put back from a copy that is too old: the local
	// checkpoints know better.
	if err := d.LogTrim(ctx, chain, 101); err != nil {
		t.Fatal(err)
	}
	if report, err = r.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	want := audit.Finding{Kind: audit.Removed, Chain: chain, Seq: 1, To: 100, Note: "the beginning of the chain"}
	if len(report.Findings) != 1 || report.Findings[0] != want {
		t.Errorf("after a trim that nobody signed: %+v", report.Findings)
	}
	checkpointAltered(ctx, t, d, r)
}

// checkpointAltered puts a checkpoint of nobody's into the store.
func checkpointAltered(ctx context.Context, t *testing.T, d store.Driver, r *audit.Reader) {
	t.Helper()
	if err := audit.RegisterIn(d)(ctx, chain, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	report, err := r.Verify(ctx)
	if err != nil || len(report.Findings) != 2 || report.Findings[0].Kind != audit.Forged {
		t.Errorf("%v: %+v", err, report.Findings)
	}
}

// writer writes a chain with the store's own hashes, which audit does not use.
type writer struct {
	seq  uint64
	hash [32]byte
}

func (w *writer) Chain() string            { return chain }
func (w *writer) Head() (uint64, [32]byte) { return w.seq, w.hash }

// write appends n entries, a hundred at once.
func (w *writer) write(ctx context.Context, t *testing.T, d store.Driver, n int) {
	t.Helper()
	member := []store.Command{{Kind: store.QueueAdd, Queue: store.ChainList, Member: chain, Score: 1}}
	if err := d.Apply(ctx, member); err != nil {
		t.Fatal(err)
	}
	sealing := audit.NewSealing(hiding{}, chain)
	letters := func(i uint64) audit.ID { // ids of ours are letters
		return audit.ID([]byte{'r', '.', "abcdefghij"[i/1000], "abcdefghij"[i/100%10], "abcdefghij"[i/10%10], "abcdefghij"[i%10]})
	}
	for range n / 100 {
		batch := store.Batch{Chain: chain, Prev: w.hash}
		for range 100 {
			w.seq++
			e := audit.Entry{Time: time.Now(), Kind: audit.KindDecision, Request: letters(w.seq)}
			sealed := sealing.Seal(nil, &e)
			w.hash = store.ChainHash(w.hash, w.seq, sealed)
			batch.Records = append(batch.Records, store.LogRecord{Seq: w.seq, Entry: sealed, Hash: w.hash})
		}
		if err := d.Write(ctx, &batch); err != nil {
			t.Fatal(err)
		}
	}
}
