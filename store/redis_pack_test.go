package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// writeRecords writes records as one batch.
func writeRecords(t *testing.T, d store.Driver, prev [32]byte, recs []store.LogRecord) error {
	t.Helper()
	return d.Write(storetest.Context(t), &store.Batch{Chain: "node-a", Prev: prev, Records: recs})
}

// do does a command on a server.
func do(t *testing.T, s *redistest.Server, args ...any) {
	t.Helper()
	if _, err := s.Do(args...); err != nil {
		t.Fatal(err)
	}
}

// seqs gives the numbers of a chain's records, read in pages of a size.
func seqs(t *testing.T, d store.Driver, page int) (all []uint64) {
	t.Helper()
	for from := uint64(1); ; {
		recs, err := d.LogRange(storetest.Context(t), "node-a", from, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			all = append(all, r.Seq)
		}
		if len(recs) < page {
			return all
		}
		from = all[len(all)-1] + 1
	}
}

// TestLogOfBefore goes on with a log whose records have an entry each, as all
// were written once, and reads both in pages that end anywhere.
func TestLogOfBefore(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	recs := storetest.Records("node-a", "r", store.ChainStart("node-a"), 1, 40)
	for _, r := range recs[:10] {
		do(t, s, "XADD", "{node-a}:log", fmt.Sprint(r.Seq, "-0"), "e", string(r.Entry), "h", string(r.Hash[:]))
	}
	for _, span := range [][2]int{{10, 25}, {25, 26}, {26, 40}} {
		if err := writeRecords(t, d, recs[span[0]-1].Hash, recs[span[0]:span[1]]); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Do("XLEN", "{node-a}:log"); err != nil || n != "13" {
		t.Errorf("the stream has %s entries, %v", n, err)
	}
	if n := len(verify(t, d, "node-a")); n != 40 {
		t.Errorf("%d records", n)
	}
	for _, page := range []int{1, 3, 12, 40, 100} {
		if all := seqs(t, d, page); len(all) != 40 || !slices.IsSorted(all) || all[39] != 40 {
			t.Errorf("in pages of %d: %v", page, all)
		}
	}
}

// TestPackEdited edits a stream entry in each way: what is read shows it.
func TestPackEdited(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
	recs := storetest.Records("node-a", "r", store.ChainStart("node-a"), 1, 3)
	var entries, hashes, lengths strings.Builder
	for _, r := range recs {
		entries.Write(r.Entry)
		hashes.Write(r.Hash[:])
		fmt.Fprintf(&lengths, "\x00\x00\x00%c", len(r.Entry))
	}
	e, h, l := entries.String(), hashes.String(), lengths.String()
	for name, c := range map[string]struct {
		e, h, l string
		whole   bool
	}{
		"as it was":              {e, h, l, true},
		"a byte of an entry":     {"x" + e[1:], h, l, false},
		"a byte more":            {e + "x", h, l, false},
		"a byte less":            {e[:len(e)-1], h, l, false},
		"a hash":                 {e, "x" + h[1:], l, false},
		"without hashes":         {e, "", l, false},
		"a length":               {e, h, "\x00\x00\x00\x01" + l[4:], false},
		"a length beyond all":    {e, h, "\xff\xff\xff\xff" + l[4:], false},
		"one record less":        {e, h, l[4:], false},
		"more than ever were":    {e, h, l + l, false},
		"lengths of no number":   {e, h, l[1:], false},
		"all lengths taken away": {e, h, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, s, "FLUSHALL")
			do(t, s, "XADD", "{node-a}:log", "3-0", "e", c.e, "h", c.h, "l", c.l)
			got, err := d.LogRange(storetest.Context(t), "node-a", 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			whole := len(got) == 3
			prev := store.ChainStart("node-a")
			for _, r := range got {
				prev = store.ChainHash(prev, r.Seq, r.Entry)
				whole = whole && r.Hash == prev
			}
			if whole != c.whole {
				t.Errorf("%d records, taken for whole: %v", len(got), whole)
			}
		})
	}
}

// TestPacksOverlap has some of a batch's records there already, in entries that
// end elsewhere, as after a batch that was thought lost came in late: no record
// is there twice, and none is missing.
func TestPacksOverlap(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	recs := storetest.Records("node-a", "r", store.ChainStart("node-a"), 1, 12)
	for name, there := range map[string][][2]int{
		"the first of them":      {{4, 6}},
		"two entries of them":    {{4, 6}, {6, 9}},
		"all but the last":       {{4, 11}},
		"all":                    {{4, 7}, {7, 12}},
		"with some of before":    {{2, 6}},
		"all, with some before":  {{2, 12}},
		"two that overlap":       {{4, 6}, {4, 8}},
		"two, and the rest":      {{4, 6}, {4, 8}, {6, 12}},
		"the whole and a part":   {{4, 8}, {4, 12}},
		"nothing of them at all": {},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, s, "FLUSHALL")
			d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
			before := 4
			if len(there) > 0 {
				before = min(before, there[0][0])
			}
			if err := writeRecords(t, d, store.ChainStart("node-a"), recs[:before]); err != nil {
				t.Fatal(err)
			}
			for _, span := range there {
				add(t, s, recs[span[0]:span[1]])
			}
			if err := writeRecords(t, d, recs[3].Hash, recs[4:]); err != nil {
				t.Fatal(err)
			}
			if all := seqs(t, d, 100); len(all) != 12 || len(verify(t, d, "node-a")) != 12 {
				t.Errorf("records %v", all)
			}
		})
	}
	t.Run("others", func(t *testing.T) {
		do(t, s, "FLUSHALL")
		d := openRedis(t, store.RedisOptions{Addresses: []string{s.Addr}})
		if err := writeRecords(t, d, store.ChainStart("node-a"), recs[:4]); err != nil {
			t.Fatal(err)
		}
		add(t, s, storetest.Records("node-a", "others", recs[3].Hash, 5, 3))
		if err := writeRecords(t, d, recs[3].Hash, recs[4:]); !errors.Is(err, store.ErrFork) {
			t.Errorf("over another's records: %v", err)
		}
		if all := seqs(t, d, 100); len(all) != 7 {
			t.Errorf("records %v", all)
		}
	})
}

// add appends one stream entry.
func add(t *testing.T, s *redistest.Server, recs []store.LogRecord) {
	t.Helper()
	var e, h, l strings.Builder
	for _, r := range recs {
		e.Write(r.Entry)
		h.Write(r.Hash[:])
		fmt.Fprintf(&l, "\x00\x00\x00%c", len(r.Entry))
	}
	do(t, s, "XADD", "{node-a}:log", fmt.Sprint(recs[len(recs)-1].Seq, "-0"), "e", e.String(), "h", h.String(), "l", l.String())
}
