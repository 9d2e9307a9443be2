package rewrite

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestInteger(t *testing.T) {
	tests := []struct{ literal, want string }{
		{"7111111111101111", "7111111111101111"}, {"7.111111111101111e15", "7111111111101111"}, {"7111111111101111.000", "7111111111101111"},
		{"71111111111011110E-1", "7111111111101111"}, {"0.07111111111101111e17", "7111111111101111"}, {"12e2", "1200"}, {"0.5", ""}, {"-5", ""},
		{"0", ""}, {"0e999999999999", ""}, {"1e30", ""}, {"12345678901234567890", ""}, {"1e-1", ""}, {"10e-1", "1"}, {"1e+2", "100"},
	}
	for _, c := range tests {
		t.Run(c.literal, func(t *testing.T) {
			got, ok := integer(nil, []byte(c.literal))
			if string(got) != c.want || ok != (c.want != "") {
				t.Errorf("got %q %v, want %q", got, ok, c.want)
			}
		})
	}
}

// TestDecodeAndOffsets holds the decoding of escapes, and the way back to the
// raw bytes, to encoding/json.
func TestDecodeAndOffsets(t *testing.T) {
	for _, content := range []string{
		``, `plain`, `\"\\\/\b\f\n\r\t`, `\u0000\u007f\u0080\u07ff\u0800\uffff`, `\ud83d\ude00x\uD834\uDD1E`, `é\u00e9漢\n字😀`,
	} {
		t.Run(content, func(t *testing.T) {
			var want string
			if err := json.Unmarshal([]byte(`"`+content+`"`), &want); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, len(content))
			if got := string(b[:decode(b, []byte(content))]); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			offsets := rawOffsets{content: []byte(content)}
			for i := range want {
				raw := offsets.at(i)
				var rest string
				if err := json.Unmarshal([]byte(`"`+content[raw:]+`"`), &rest); err != nil || rest != want[i:] {
					t.Errorf("offset %d is %d: %q, %v", i, raw, rest, err)
				}
			}
		})
	}
}

func TestAppendQuoted(t *testing.T) {
	text := "a\"b\\c\nd\x00é\u2028"
	var back string
	if err := json.Unmarshal([]byte(`"`+string(appendQuoted(nil, []byte(text)))+`"`), &back); err != nil || back != text {
		t.Errorf("%q, %v", back, err)
	}
}

func TestArena(t *testing.T) {
	var a arena
	first := a.copy([]byte("first"))
	var all [][]byte
	for i := range 300 {
		all = append(all, a.copy([]byte(strings.Repeat(strconv.Itoa(i), 20))))
	}
	big := a.lend(1 << 16)
	copy(big, "big")
	kept := a.keep(a.lend(100), 3)
	if next := a.lend(1); &next[0] == &kept[0] {
		t.Error("kept memory was lent again")
	}
	if string(first) != "first" || cap(first) != 5 {
		t.Errorf("the first is %q with room for %d", first, cap(first))
	}
	for i, b := range all {
		if string(b) != strings.Repeat(strconv.Itoa(i), 20) {
			t.Fatalf("copy %d is %q", i, b)
		}
	}
	a.reset()
	if len(strings.Trim(string(big[:3]), "\x00")) > 0 || first[0] != 0 {
		t.Error("reset leaves text behind")
	}
	if n := testing.AllocsPerRun(10, func() { a.lend(700); a.lend(1 << 15); a.reset() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
