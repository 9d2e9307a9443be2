package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The paths of the keyring. PathKeys is GET, the others are POST with a JSON
// body.
const (
	PathKeys       = "/v1/keys"        // → Keyring
	PathKeysRotate = "/v1/keys/rotate" // Rotation → []Key
	PathKeysRetire = "/v1/keys/retire" // Retirement → Key
	PathKeysNote   = "/v1/keys/note"   // KeyNote → Message
)

// Keyring lists the generations of a keyring, without a key.
type Keyring struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"` // local, vault or ephemeral
	Revision uint64 `json:"revision"`
	Keys     []Key  `json:"keys"`
}

// Key is one generation of a use.
type Key struct {
	Use        string    `json:"use"`
	Algorithm  string    `json:"algorithm"`
	Generation int       `json:"generation"`
	State      string    `json:"state"`   // active, retired or destroyed
	Current    bool      `json:"current"` // makes what is made now
	Created    time.Time `json:"created"`
	From       time.Time `json:"from"`             // when it starts to make, or did
	Changed    time.Time `json:"changed,omitzero"` // when it was retired or destroyed
}

// Name is how a generation is called, as in pan-2.
func (k Key) Name() string { return KeyName(k.Use, k.Generation) }

// KeyName is how a generation is called, as in pan-2.
func KeyName(use string, generation int) string { return fmt.Sprintf("%s-%d", use, generation) }

// Rotation asks for the next generation of each use in Seen, all or none. Seen
// says which generation was the newest when somebody looked: where another one
// is by now, somebody else has rotated, and nothing happens.
type Rotation struct {
	Seen   map[string]int `json:"seen"`
	Reason string         `json:"reason"` // on record; see CheckReason of proxy/admin
}

// Retirement asks that a generation never makes again, or with Destroy that
// its key is gone for good.
type Retirement struct {
	Use        string `json:"use"`
	Generation int    `json:"generation"`
	Destroy    bool   `json:"destroy,omitempty"`
	Reason     string `json:"reason"`
}

// KeyNote puts on record what the command line itself does to a keyring: to
// make one, or to bring it to another place.
type KeyNote struct {
	Action string `json:"action"` // keys_init or keys_migrate
	Target string `json:"target"`
	Result string `json:"result,omitempty"` // ok, failed; empty: it is about to begin
	Reason string `json:"reason,omitempty"`
}

// Keys lists the keyring. That it was listed is on record.
func (c *Client) Keys(ctx context.Context) (Keyring, error) {
	var k Keyring
	return k, c.document(ctx, PathKeys, nil, &k)
}

// Rotate makes new generations.
func (c *Client) Rotate(ctx context.Context, r Rotation) ([]Key, error) {
	var made []Key
	return made, c.post(ctx, PathKeysRotate, r, &made)
}

// Retire retires or destroys a generation.
func (c *Client) Retire(ctx context.Context, r Retirement) (Key, error) {
	var k Key
	return k, c.post(ctx, PathKeysRetire, r, &k)
}

// Note puts on record what is done to the keyring outside the proxy.
func (c *Client) Note(ctx context.Context, n KeyNote) error {
	return c.post(ctx, PathKeysNote, n, &Message{})
}

// post sends a document and reads the one that is the answer.
func (c *Client) post(ctx context.Context, path string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://chaperone"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer response.Body.Close()
	answer := json.NewDecoder(io.LimitReader(response.Body, 1<<20))
	if response.StatusCode != http.StatusOK {
		var m Message
		if err := answer.Decode(&m); err != nil || m.Error == "" {
			m.Error = "the proxy answered " + response.Status
		}
		return &Error{Status: response.StatusCode, Message: m.Error}
	}
	if err := answer.Decode(v); err != nil {
		return fmt.Errorf("control socket: answer to %s: %w", path, err)
	}
	return nil
}
