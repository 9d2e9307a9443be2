package audit

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The log under attack: chain "a" of twelve entries, signed at 5 and 10.
func victim(t *testing.T) (m *memory, file string) {
	t.Helper()
	m = newMemory()
	file = filepath.Join(t.TempDir(), "checkpoints.ndjson")
	var lines []byte
	for _, n := range []int{5, 5} {
		m.chain("a", n)
		c := sign(m.head("a"))
		lines = append(append(lines, c.Text()...), '\n')
		m.checkpoints["a"] = c.Text()
	}
	m.chain("a", 2)
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	return m, file
}

func TestVerifyWhole(t *testing.T) {
	m, file := victim(t)
	m.chain("b", 3)
	m.chains = append(m.chains, "empty")
	for _, batch := range []int{1, 2, 5, 1000} {
		o := verifyOptions(file)
		o.Batch = batch
		r := mustVerify(t, m, o)
		want := Report{Chains: []ChainReport{
			{Chain: "a", Entries: 12, First: 1, Last: 12, From: instant(1000), To: instant(12000), Signed: 10},
			{Chain: "b", Entries: 3, First: 1, Last: 3, From: instant(1000), To: instant(3000)},
			{Chain: "empty"},
		}}
		if d := cmp.Diff(want, r); d != "" {
			t.Errorf("batches of %d (-want +got):\n%s", batch, d)
		}
		if !r.OK() || r.Entries() != 15 {
			t.Errorf("OK %v, %d entries", r.OK(), r.Entries())
		}
	}
}

// damage is a way in which a log is damaged, and what must be found. The index
// of a record is its sequence number less one.
type damage struct {
	name string
	do   func(m *memory, rs []Record) []Record
	want []Finding
}

var damages = []damage{
	{"an edited byte", func(_ *memory, rs []Record) []Record {
		rs[6].Entry[3] ^= 1
		return rs
	}, []Finding{{Kind: Edited, Seq: 7}}},

	{"an edited byte in the last entry", func(_ *memory, rs []Record) []Record {
		rs[11].Entry[3] ^= 1
		return rs
	}, []Finding{{Kind: Edited, Seq: 12}}},

	{"an edited byte in a signed entry", func(_ *memory, rs []Record) []Record {
		rs[9].Entry[0] ^= 0x80
		return rs
	}, []Finding{{Kind: Edited, Seq: 10}}},

	{"an edited hash", func(_ *memory, rs []Record) []Record {
		rs[6].Hash[31] ^= 1
		return rs
	}, []Finding{{Kind: Edited, Seq: 7}}},

	{"an edited hash that is signed", func(_ *memory, rs []Record) []Record {
		rs[4].Hash[0] ^= 1
		return rs
	}, []Finding{{Kind: Edited, Seq: 5}}},

	{"two entries edited", func(_ *memory, rs []Record) []Record {
		rs[2].Entry[0] ^= 1
		rs[3].Entry[0] ^= 1
		return rs
	}, []Finding{{Kind: Edited, Seq: 3}, {Kind: Edited, Seq: 4}}},

	{"an edited byte, its own hash made to fit", func(_ *memory, rs []Record) []Record {
		rs[6].Entry[3] ^= 1
		rs[6].Hash = Next(rs[5].Hash, 7, rs[6].Entry)
		return rs
	}, []Finding{{Kind: Edited, Seq: 7}}},

	{"an edited byte, all hashes after it made to fit", func(m *memory, rs []Record) []Record {
		rs[6].Entry[3] ^= 1
		m.rehash("a", 6)
		return rs
	}, []Finding{{Kind: Fork, Seq: 6, To: 10}, {Kind: Unreadable, Seq: 7}}},

	{"an entry that is no entry", func(m *memory, rs []Record) []Record {
		rs[11].Entry = testSealer{}.Seal(nil, []byte(`{"v":1}`), associatedData)
		m.rehash("a", 11)
		return rs
	}, []Finding{{Kind: Malformed, Seq: 12}}},

	{"a removed entry", func(_ *memory, rs []Record) []Record {
		return slices.Delete(rs, 6, 7)
	}, []Finding{{Kind: Removed, Seq: 7, To: 7}}},

	{"three removed entries, one of them signed", func(_ *memory, rs []Record) []Record {
		return slices.Delete(rs, 3, 6)
	}, []Finding{{Kind: Removed, Seq: 4, To: 6}}},

	{"a removed beginning", func(_ *memory, rs []Record) []Record {
		return rs[2:]
	}, []Finding{{Kind: Removed, Seq: 1, To: 2}}},

	{"a removed entry, the others moved up and made to fit", func(m *memory, rs []Record) []Record {
		rs = slices.Delete(rs, 6, 7)
		for i := range rs {
			rs[i].Seq = uint64(i + 1)
		}
		m.records["a"] = rs
		m.rehash("a", 6)
		return rs
	}, []Finding{{Kind: Fork, Seq: 6, To: 10}}},

	{"a removed tail", func(_ *memory, rs []Record) []Record {
		return rs[:8]
	}, []Finding{{Kind: Truncated, Seq: 9, To: 10}}},

	{"a removed tail, with an older checkpoint put in the store", func(m *memory, rs []Record) []Record {
		c := sign(Head{Chain: "a", Seq: 5, Hash: rs[4].Hash})
		m.checkpoints["a"] = c.Text()
		return rs[:5]
	}, []Finding{{Kind: Truncated, Seq: 6, To: 10}}},

	{"all entries removed", func(*memory, []Record) []Record {
		return nil
	}, []Finding{{Kind: Truncated, Seq: 1, To: 10}}},

	{"the chain removed", func(m *memory, _ []Record) []Record {
		m.chains = nil
		return nil
	}, []Finding{{Kind: Missing, Seq: 1, To: 10}}},

	{"neighbours swapped", func(_ *memory, rs []Record) []Record {
		rs[6].Entry, rs[7].Entry = rs[7].Entry, rs[6].Entry
		return rs
	}, []Finding{{Kind: Swapped, Seq: 7, To: 8}}},

	{"neighbours swapped with their hashes", func(_ *memory, rs []Record) []Record {
		rs[6].Entry, rs[7].Entry = rs[7].Entry, rs[6].Entry
		rs[6].Hash, rs[7].Hash = rs[7].Hash, rs[6].Hash
		return rs
	}, []Finding{{Kind: Swapped, Seq: 7, To: 8}}},

	{"distant entries swapped", func(_ *memory, rs []Record) []Record {
		rs[1].Entry, rs[8].Entry = rs[8].Entry, rs[1].Entry
		return rs
	}, []Finding{{Kind: Swapped, Seq: 2, To: 9}}},

	{"distant entries swapped with their hashes", func(_ *memory, rs []Record) []Record {
		rs[1].Entry, rs[8].Entry = rs[8].Entry, rs[1].Entry
		rs[1].Hash, rs[8].Hash = rs[8].Hash, rs[1].Hash
		return rs
	}, []Finding{{Kind: Swapped, Seq: 2, To: 9}}},

	{"entries swapped, all hashes made to fit", func(m *memory, rs []Record) []Record {
		rs[1].Entry, rs[2].Entry = rs[2].Entry, rs[1].Entry
		m.rehash("a", 1)
		return rs
	}, []Finding{{Kind: Fork, Seq: 1, To: 5}}},

	{"an entry put over another", func(_ *memory, rs []Record) []Record {
		rs[6].Entry = rs[2].Entry
		return rs
	}, []Finding{{Kind: Duplicated, Seq: 7, To: 3}}},

	{"an entry put over another, its hash made to fit", func(_ *memory, rs []Record) []Record {
		rs[6].Entry = rs[2].Entry
		rs[6].Hash = Next(rs[5].Hash, 7, rs[6].Entry)
		return rs
	}, []Finding{{Kind: Duplicated, Seq: 7, To: 3}}},

	{"an entry appended again, its hash made to fit", func(_ *memory, rs []Record) []Record {
		return append(rs, Record{Seq: 13, Entry: rs[2].Entry, Hash: Next(rs[11].Hash, 13, rs[2].Entry)})
	}, []Finding{{Kind: Duplicated, Seq: 13, To: 3}}},

	{"a forged entry appended", func(_ *memory, rs []Record) []Record {
		forged := []byte("something else")
		return append(rs, Record{Seq: 13, Entry: forged, Hash: Next(rs[11].Hash, 13, forged)})
	}, []Finding{{Kind: Unreadable, Seq: 13}}},

	{"a forged chain from the beginning", func(m *memory, rs []Record) []Record {
		for i := range rs {
			rs[i].Entry = rs[len(rs)-1-i].Entry
		}
		m.rehash("a", 0)
		return rs[:12]
	}, []Finding{
		{Kind: Fork, Seq: 1, To: 5},
		{Kind: Duplicated, Seq: 7, To: 6}, {Kind: Duplicated, Seq: 8, To: 5}, {Kind: Duplicated, Seq: 9, To: 4},
		{Kind: Duplicated, Seq: 10, To: 3}, {Kind: Duplicated, Seq: 11, To: 2}, {Kind: Duplicated, Seq: 12, To: 1},
	}},

	{"an entry of another chain appended", func(m *memory, rs []Record) []Record {
		// It is the work of the one who holds the keys, for instance an entry
		// that waited on local disk: not damage, but counted as carried.
		e := Entry{Time: instant(0), Kind: KindOutcome}
		sealed := NewSealing(testSealer{}, "b").Seal(nil, &e)
		return append(rs, Record{Seq: 13, Entry: sealed, Hash: Next(rs[11].Hash, 13, sealed)})
	}, nil},

	{"a checkpoint with a wrong signature", func(m *memory, rs []Record) []Record {
		c := sign(m.head("a"))
		c.Signature[0] ^= 1
		m.checkpoints["a"] = c.Text()
		return rs
	}, []Finding{{Kind: Forged, Seq: 12}}},

	{"a checkpoint of another signer", func(m *memory, rs []Record) []Record {
		other := NewSigner(func(dst []byte, _ string, _ ...[]byte) []byte { return append(dst, make([]byte, 32)...) })
		c := sign(m.head("a"))
		c.Sign(other)
		m.checkpoints["a"] = c.Text()
		return rs
	}, []Finding{{Kind: Forged, Seq: 12}}},

	{"a checkpoint of another chain", func(m *memory, rs []Record) []Record {
		c := sign(Head{Chain: "b", Seq: 3})
		m.checkpoints["a"] = c.Text()
		return rs
	}, []Finding{{Kind: Forged, Seq: 3}}},

	{"a checkpoint that is none", func(m *memory, rs []Record) []Record {
		m.checkpoints["a"] = []byte("{}")
		return rs
	}, []Finding{{Kind: Forged}}},

	{"two signed heads", func(m *memory, rs []Record) []Record {
		// The writer itself signed another history: two processes on one chain.
		c := sign(Head{Chain: "a", Seq: 12, Hash: Hash{1}})
		m.checkpoints["a"] = c.Text()
		return rs
	}, []Finding{{Kind: Fork, Seq: 11, To: 12}}},
}

// disorders can only be told where a page of the log shows them: no store of
// ours can hold two records under one number.
var disorders = []damage{
	{"a record twice", func(_ *memory, rs []Record) []Record {
		return slices.Insert(rs, 7, rs[6])
	}, []Finding{{Kind: Duplicated, Seq: 7, To: 7}}},

	{"another record under the same number", func(_ *memory, rs []Record) []Record {
		other := rs[6]
		other.Entry = []byte("something else")
		return slices.Insert(rs, 7, other)
	}, []Finding{{Kind: Disordered, Seq: 7, To: 7}}},
}

func TestVerifyFindsDamage(t *testing.T) {
	testDamages(t, damages, 1, 3, 1000)
	testDamages(t, disorders, 1000)
}

func testDamages(t *testing.T, damages []damage, batches ...int) {
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			for _, batch := range batches {
				m, file := victim(t)
				m.records["a"] = d.do(m, m.records["a"])
				o := verifyOptions(file)
				o.Batch = batch
				r := mustVerify(t, m, o)
				for i := range d.want {
					d.want[i].Chain = "a"
				}
				if diff := cmp.Diff(d.want, r.Findings, cmpopts.IgnoreFields(Finding{}, "Note"), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("batches of %d (-want +got):\n%s", batch, diff)
				}
				if r.OK() != (len(d.want) == 0) {
					t.Errorf("OK: %v", r.OK())
				}
			}
		})
	}
}

// TestVerifyAnyEditedByte flips each bit of a log in turn, entries and hashes.
func TestVerifyAnyEditedByte(t *testing.T) {
	m, file := victim(t)
	flip := func(seq uint64, b []byte) {
		for i := range b {
			bit := byte(1) << (i % 8)
			b[i] ^= bit
			r := mustVerify(t, m, verifyOptions(file))
			if len(r.Findings) != 1 || r.Findings[0].Seq != seq || r.Findings[0].Kind != Edited {
				t.Fatalf("entry %d, byte %d: %+v", seq, i, r.Findings)
			}
			b[i] ^= bit
		}
	}
	rs := m.records["a"]
	for i := range rs {
		flip(rs[i].Seq, rs[i].Entry)
		flip(rs[i].Seq, rs[i].Hash[:])
	}
}

// TestVerifyRandomDamage makes any one change to a log and asks that it is
// found, unless it is only in what no checkpoint vouches for.
func TestVerifyRandomDamage(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
		m, file := victim(t)
		rs := m.records["a"]
		i, j := r.IntN(10), r.IntN(10)
		if i == j {
			continue
		}
		what := r.IntN(4)
		switch what {
		case 0:
			rs[i].Entry[r.IntN(len(rs[i].Entry))] ^= byte(1 + r.IntN(255))
		case 1:
			rs = slices.Delete(rs, i, i+1)
			for k := range rs {
				rs[k].Seq = uint64(k + 1)
			}
		case 2:
			rs[i].Entry, rs[j].Entry = rs[j].Entry, rs[i].Entry
		case 3:
			rs[i].Entry = rs[j].Entry
		}
		m.records["a"] = rs
		if r.IntN(2) == 0 {
			m.rehash("a", 0)
		}
		if report := mustVerify(t, m, verifyOptions(file)); report.OK() {
			t.Fatalf("damage %d at %d and %d is not found", what, i+1, j+1)
		}
	}
}

func TestVerifyWithoutKeys(t *testing.T) {
	m, file := victim(t)
	m.records["a"][6].Entry[3] ^= 1
	r := mustVerify(t, m, VerifyOptions{File: file})
	want := []Finding{{Kind: Edited, Chain: "a", Seq: 7}}
	if d := cmp.Diff(want, r.Findings, cmpopts.IgnoreFields(Finding{}, "Note")); d != "" {
		t.Error(d)
	}
	if r.Chains[0].Signed != 0 {
		t.Errorf("signed up to %d without a key to check it with", r.Chains[0].Signed)
	}
}

func TestVerifyLimitsFindings(t *testing.T) {
	m, file := victim(t)
	for i := range m.records["a"] {
		m.records["a"][i].Entry[0] ^= 1
	}
	o := verifyOptions(file)
	o.Limit = 3
	r := mustVerify(t, m, o)
	if len(r.Findings) != 3 || r.Chains[0].Found != 12 || r.OK() {
		t.Errorf("%d findings, %d found, OK %v", len(r.Findings), r.Chains[0].Found, r.OK())
	}
}

func TestVerifyBadCheckpointFile(t *testing.T) {
	m, file := victim(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("nonsense\n"), append(text, "cut off"...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustVerify(t, m, verifyOptions(file))
	want := []Finding{{Kind: Forged, Note: "line 1 of the local checkpoints is not one"}}
	if d := cmp.Diff(want, r.Findings); d != "" {
		t.Error(d)
	}
}

func TestVerifyReportsReadErrors(t *testing.T) {
	m, file := victim(t)
	m.err = errors.New("store away")
	if _, err := Verify(t.Context(), m, verifyOptions(file)); !errors.Is(err, m.err) {
		t.Errorf("got %v", err)
	}
}
