package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"chaperone/audit"
)

// The paths of the log's further verbs. All are POST with a JSON body, so that
// a patient's id stands in no URL. They answer with streams, whose end says how
// much of the log was read. Folders are named as the proxy sees them.
const (
	PathLogArchive     = "/v1/log/archive"     // LogArchive → stream of audit.Archived
	PathLogExport      = "/v1/log/export"      // LogExport → stream of LogLine
	PathLogDisclosures = "/v1/log/disclosures" // LogSubject → stream of Disclosure
	PathLogBreach      = "/v1/log/breach"      // LogBreach → stream of audit.Exposure
)

// LogArchive asks that what is older than a window is moved into segments.
type LogArchive struct {
	Window time.Duration `json:"window"`       // nanoseconds
	To     string        `json:"to,omitempty"` // folder; empty: archive in the data folder
}

// LogExport asks for the entries that match. Empty members match all.
type LogExport struct {
	From        time.Time `json:"from,omitzero"`
	To          time.Time `json:"to,omitzero"`
	Route       string    `json:"route,omitempty"`
	Caller      string    `json:"caller,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Kind        string    `json:"kind,omitempty"`
	Subject     string    `json:"subject,omitempty"`
	Request     string    `json:"request,omitempty"`
	Archive     []string  `json:"archive,omitempty"` // folders; empty: the one in the data folder, if there is one
}

// LogSubject asks for the disclosures of one person's data: of a subject by its
// random id, or of the patient whose id, as requests have it, is given.
type LogSubject struct {
	Subject string    `json:"subject,omitempty"`
	Patient string    `json:"patient,omitempty"`
	From    time.Time `json:"from,omitzero"` // zero: six years ago
	To      time.Time `json:"to,omitzero"`
	Archive []string  `json:"archive,omitempty"`
}

// Disclosure is one disclosure, with what today's policy says of the recipient.
type Disclosure struct {
	audit.Disclosure
	Subject   string `json:"subject"`             // random id
	Agreement string `json:"agreement,omitempty"` // kind and reference
	Address   string `json:"address,omitempty"`   // host of its URL
}

// LogBreach asks what a breach lays open: of exactly one of a destination, a
// caller and a label of tokens.
type LogBreach struct {
	Destination string    `json:"destination,omitempty"`
	Caller      string    `json:"caller,omitempty"`
	TokenLabel  string    `json:"token_label,omitempty"`
	From        time.Time `json:"from,omitzero"`
	To          time.Time `json:"to,omitzero"`
	Archive     []string  `json:"archive,omitempty"`
}

// Verify lets the proxy verify its log, with the segments in some folders. It
// may take as long as the log is.
func (c *Client) Verify(ctx context.Context, archive []string) (audit.Report, error) {
	var r audit.Report
	return r, c.document(ctx, PathLogVerify, url.Values{"archive": archive}, &r)
}

// Archive lets the proxy archive, and yields what it does.
func (c *Client) Archive(ctx context.Context, ask LogArchive, yield func(audit.Archived) error) error {
	_, err := streamPost(ctx, c, PathLogArchive, ask, yield)
	return err
}

// Export yields the entries that match. The reading is on record before the
// first.
func (c *Client) Export(ctx context.Context, ask LogExport, yield func(LogLine) error) (audit.Scanned, error) {
	return streamPost(ctx, c, PathLogExport, ask, yield)
}

// Disclosures yields the disclosures of one person's data in order of time.
func (c *Client) Disclosures(ctx context.Context, ask LogSubject, yield func(Disclosure) error) (audit.Scanned, error) {
	return streamPost(ctx, c, PathLogDisclosures, ask, yield)
}

// Breach yields what a breach lays open, request by request.
func (c *Client) Breach(ctx context.Context, ask LogBreach, yield func(audit.Exposure) error) (audit.Scanned, error) {
	return streamPost(ctx, c, PathLogBreach, ask, yield)
}

// streamPost asks for a stream by a document.
func streamPost[T any](ctx context.Context, c *Client, path string, body any, yield func(T) error) (audit.Scanned, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return audit.Scanned{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://chaperone"+path, bytes.NewReader(text))
	if err != nil {
		return audit.Scanned{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.do(request)
	if err != nil {
		return audit.Scanned{}, err
	}
	defer response.Body.Close()
	return items(ctx, path, json.NewDecoder(bufio.NewReader(response.Body)), yield)
}

// items yields what a stream holds, and returns what its end says.
func items[T any](ctx context.Context, path string, d *json.Decoder, yield func(T) error) (sum audit.Scanned, err error) {
	for {
		var m Message
		if err := d.Decode(&m); err != nil {
			if ctx.Err() != nil {
				return sum, ctx.Err()
			}
			return sum, fmt.Errorf("%w: %w", ErrCut, err)
		}
		switch {
		case m.Error != "":
			return sum, &Error{Status: http.StatusOK, Message: m.Error}
		case m.End:
			if m.Sum != nil {
				sum = *m.Sum
			}
			return sum, nil
		}
		var item T
		if err := json.Unmarshal(m.Item, &item); err != nil {
			return sum, fmt.Errorf("control socket: item of %s: %w", path, err)
		}
		if err := yield(item); err != nil {
			return sum, err
		}
	}
}
