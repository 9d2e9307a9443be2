package keys

import (
	"fmt"
	"log/slog"
)

// What holds keys prints as its name: with every verb of fmt, in a log and in a
// panic.
const redacted = "[keys]"

func redact(s fmt.State) { _, _ = s.Write([]byte(redacted)) }

// Format writes a placeholder, whatever the verb: a ring has nothing to print.
func (r *Ring) Format(s fmt.State, _ rune) { redact(s) }

// String returns a placeholder.
func (r *Ring) String() string { return redacted }

// GoString returns a placeholder.
func (r *Ring) GoString() string { return redacted }

// LogValue returns a placeholder.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder, for JSON and the like.
func (r *Ring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format writes a placeholder, whatever the verb.
func (PANKeys) Format(s fmt.State, _ rune) { redact(s) }

// Format writes a placeholder, whatever the verb.
func (PANKey) Format(s fmt.State, _ rune) { redact(s) }

func (keyset) Format(s fmt.State, _ rune)    { redact(s) }
func (key) Format(s fmt.State, _ rune)       { redact(s) }
func (*material) Format(s fmt.State, _ rune) { redact(s) }
func (*macs) Format(s fmt.State, _ rune)     { redact(s) }
func (*mac) Format(s fmt.State, _ rune)      { redact(s) }
func (*xaes) Format(s fmt.State, _ rune)     { redact(s) }
func (*xaesKeys) Format(s fmt.State, _ rune) { redact(s) }
func (*sivKeys) Format(s fmt.State, _ rune)  { redact(s) }
func (*wrapKey) Format(s fmt.State, _ rune)  { redact(s) }
func (*session) Format(s fmt.State, _ rune)  { redact(s) }

func (*memory) Format(s fmt.State, _ rune)       { redact(s) }
func (*local) Format(s fmt.State, _ rune)        { redact(s) }
func (*vaultBackend) Format(s fmt.State, _ rune) { redact(s) }

func (keyset) LogValue() slog.Value { return slog.StringValue(redacted) }
func (key) LogValue() slog.Value    { return slog.StringValue(redacted) }
