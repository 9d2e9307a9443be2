package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrFormat is wrapped by every error of Parse.
var ErrFormat = errors.New("not an entry of the log")

// Parse reads one entry: its text, or its stored form. It takes only what
// Append or AppendCompact writes, byte for byte: an unknown, repeated or
// misplaced member, white space, another version are errors. Errors hold
// nothing of the text.
func Parse(text []byte) (Entry, error) {
	switch {
	case len(text) == 0 || text[0] == '{':
		return parseText(text)
	case text[0] == layoutCompact:
		return parseCompact(text)
	}
	return Entry{}, fmt.Errorf("%w: it begins with %#02x, which this program does not read", ErrFormat, text[0])
}

// parseText reads what Append wrote.
func parseText(text []byte) (Entry, error) {
	var e Entry
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("%w: %s", ErrFormat, position(err, d.InputOffset()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, fmt.Errorf("%w: text after its end", ErrFormat)
	}
	if e.Version != Version {
		return Entry{}, fmt.Errorf("%w: version %d, this program reads %d", ErrFormat, e.Version, Version)
	}
	if e.Kind == 0 {
		return Entry{}, fmt.Errorf("%w: no kind", ErrFormat)
	}
	e.Time = e.Time.UTC()
	if !bytes.Equal(e.Append(nil), text) {
		return Entry{}, fmt.Errorf("%w: not as it is written", ErrFormat)
	}
	return e, nil
}

// position says where decoding failed, in place of encoding/json's own words,
// which quote the text.
func position(err error, offset int64) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("malformed at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("member of another type at byte %d", kind.Offset)
	}
	return fmt.Sprintf("unknown member or word before byte %d", offset)
}
