package detect

import (
	"slices"
	"strings"
	"testing"
)

// steps counts the bytes that a search looks at.
func steps(which Detectors, text string) int {
	var f Seeker
	f.Find(which, nil, []byte(text))
	return f.steps
}

// hard are texts that make a search look back and ahead as much as it can.
var hard = []string{
	"1", "1 ", "12 3-4 ", "a@", "@", "a.a@a.a@", "1a", "MRN is no number 1 ", "+1 ", "+(", "(0) ", "0", "00 4 ", "1234 ", "123-", "078-05-1121 ",
	"DOB May 3, ", "born on is was 1950 ", "GB29 ", "GB29NWBK6016", "\"a@b\"", "a\u00a01", "１", "ä@", "x.", "x@y-", "call ", "12345678901234567890 ",
	"555-123-4567 ext. ", "social security number is 1-", "MRN-1-2-3-4-5-6-",
}

// TestIdentifiersAreLinear: a text eight times as long costs eight times as much,
// and no byte is looked at too often.
func TestIdentifiersAreLinear(t *testing.T) {
	for _, h := range hard {
		short, long := strings.Repeat(h, 4096/len(h)), strings.Repeat(h, 8*4096/len(h))
		a, b := steps(allDetectors, short), steps(allDetectors, long)
		if b > 9*a+1000 || b > 400*len(long) {
			t.Errorf("%q: %d steps for %d bytes, %d for %d", h, a, len(short), b, len(long))
		}
	}
	if n := steps(allDetectors, strings.Repeat("Hydrating night cream, ", 200)); n > 2*23*200 {
		t.Errorf("%d steps for a text without digits", n)
	}
}

func TestIdentifiersDoNotAllocate(t *testing.T) {
	var f Seeker
	name, number := []byte("phoneNumber"), []byte("4.010232137e9")
	for _, text := range append(slices.Clone(hard), "DOB 2nd May 1950, SSN 078-05-1121, jane@clinic.example, +44 20 7946 0958, MRN A12345, GB29 NWBK 6016 1331 9268 19") {
		b := []byte(text)
		if n := testing.AllocsPerRun(10, func() {
			f.Find(allDetectors, name, b)
			f.Number(allDetectors, name, number)
		}); n > 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

func FuzzIdentifiers(f *testing.F) {
	for _, text := range append(slices.Clone(hard), everyday...) {
		f.Add("ssn", text)
	}
	f.Add("phone", "+44 20 7946 0958 SSN 078-05-1121, jane@clinic.example MRN A12345 DOB 2 May 1950 GB29 NWBK 6016 1331 9268 19")
	f.Fuzz(func(t *testing.T, name, text string) {
		all := new(Seeker).Find(allDetectors, []byte(name), []byte(text))
		end := 0
		for _, x := range all {
			if x.Start < end || x.End <= x.Start || x.End > len(text) || x.Found == 0 || x.Found>>NumDetectors != 0 {
				t.Fatalf("%q: %+v", text, all)
			}
			end = x.End
		}
		// What one detector finds alone is found by all together.
		for d := range Detector(NumDetectors) {
			for _, x := range new(Seeker).Find(d.Set(), []byte(name), []byte(text)) {
				if !slices.ContainsFunc(all, func(y Identifier) bool { return y.Start <= x.Start && y.End >= x.End && y.Found.Has(d) }) {
					t.Fatalf("%q: %s at %d to %d, together %+v", text, d, x.Start, x.End, all)
				}
			}
		}
		if n := steps(allDetectors, text); n > 400*len(text)+100 {
			t.Fatalf("%q: %d steps", text, n)
		}
		Date([]byte(text))
		new(Seeker).Number(allDetectors, []byte(name), []byte(text))
	})
}

func BenchmarkIdentifiers(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"words", strings.Repeat("Hydrating night cream, ", 180)},
		{"notes", strings.Repeat("On 2026-11-21 10:30 Ms Roe (tel 555-123-4567) had 20 units, lot C4521A; ", 50)},
	} {
		for _, which := range []Detectors{1<<SSN | 1<<NHSNumber, allDetectors} {
			b.Run(c.name+map[bool]string{true: " all", false: " two"}[which == allDetectors], func(b *testing.B) {
				text := []byte(c.text)
				var f Seeker
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					f.Find(which, nil, text)
				}
			})
		}
	}
}
