package yamlfile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text reads a single value as text, as it was written. An empty text is
// reported: nothing in these files means something by being empty.
func (n Node) Text() (string, bool) {
	if !n.expect(Scalar) {
		return "", false
	}
	if n.text == "" {
		n.Fail("value_missing", n.Name()+" is empty", "write a value, or remove the key")
		return "", false
	}
	return n.text, true
}

// Raw reads a single value as text and says whether it stood in quotes. Unlike
// Text it allows the empty one.
func (n Node) Raw() (text string, quoted, ok bool) {
	if !n.expect(Scalar) {
		return "", false, false
	}
	return n.text, n.quoted, true
}

// OneOf reads one of some words; another is reported with the nearest one.
func (n Node) OneOf(words ...string) (string, bool) {
	text, ok := n.Text()
	if !ok {
		return "", false
	}
	if slices.Contains(words, text) {
		return text, true
	}
	hint := Suggest(text, words)
	if hint == "" {
		hint = "use one of: " + strings.Join(words, ", ")
	}
	n.Fail("unknown_value", fmt.Sprintf("%s cannot be %q", n.Name(), text), hint)
	return "", false
}

// Bool reads true or false.
func (n Node) Bool() bool {
	if !n.expect(Scalar) {
		return false
	}
	if n.quoted || n.text != "true" && n.text != "false" {
		n.Fail("wrong_type", fmt.Sprintf("%s must be true or false", n.Name()), "")
		return false
	}
	return n.text == "true"
}

// Int reads a whole number within bounds, both included.
func (n Node) Int(low, high int64) int64 {
	if !n.expect(Scalar) {
		return 0
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || n.quoted || strings.HasPrefix(n.text, "+") {
		n.Fail("wrong_type", n.Name()+" must be a whole number", "")
		return 0
	}
	if v < low || v > high {
		n.Fail("out_of_range", fmt.Sprintf("%s must be between %d and %d", n.Name(), low, high), "")
		return 0
	}
	return v
}

// Duration reads a time span such as 500ms, 15s, 24h or 7d, within bounds.
func (n Node) Duration(low, high time.Duration) time.Duration {
	if !n.expect(Scalar) {
		return 0
	}
	v, ok := parseDuration(n.text)
	if !ok {
		n.Fail("bad_duration", fmt.Sprintf("%s is not a time span", n.Name()), "write a number and a unit, as in 500ms, 15s, 24h or 7d")
		return 0
	}
	if v < low || v > high {
		n.Fail("out_of_range", fmt.Sprintf("%s must be between %s and %s", n.Name(), low, high), "")
		return 0
	}
	return v
}

func parseDuration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		v, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(v) * 24 * time.Hour, err == nil
	}
	v, err := time.ParseDuration(text)
	return v, err == nil
}

// sizes are the units of Size, the longer name first.
var sizes = []struct {
	unit  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// Size reads a number of bytes such as 4MiB, 64kB or 512B, within bounds.
func (n Node) Size(low, high int64) int64 {
	if !n.expect(Scalar) {
		return 0
	}
	for _, s := range sizes {
		digits, ok := strings.CutSuffix(n.text, s.unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/s.bytes {
			break
		}
		if v *= s.bytes; v < low || v > high {
			n.Fail("out_of_range", fmt.Sprintf("%s must be between %d and %d bytes", n.Name(), low, high), "")
			return 0
		}
		return v
	}
	n.Fail("bad_size", fmt.Sprintf("%s is not a size", n.Name()), "write a number and a unit, as in 512B, 64KiB or 4MiB")
	return 0
}

// Date reads a day such as 2027-03-31 and returns its first instant, UTC.
func (n Node) Date() (time.Time, bool) {
	if !n.expect(Scalar) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, n.text)
	if err != nil {
		n.Fail("bad_date", fmt.Sprintf("%s is not a date", n.Name()), "write year, month and day, as in 2027-03-31")
		return time.Time{}, false
	}
	return t, true
}
