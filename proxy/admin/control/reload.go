package control

import "context"

// PathReload is asked by a POST without a body; the answer is a Reloaded.
const PathReload = "/v1/reload"

// Reloaded is what came of reading the policy again.
type Reloaded struct {
	Taken   bool     `json:"taken"`             // it is in force
	Plan    string   `json:"plan"`              // the hash of the policy in force
	Before  string   `json:"before"`            // and of the one that was
	Changes []string `json:"changes,omitempty"` // in words, where it was taken
	// Why it was not taken: the mistakes, in the order of the file, or a line.
	Mistakes []Mistake `json:"mistakes,omitempty"`
	Fault    string    `json:"fault,omitempty"`
	// The listeners whose certificates' files had changed. They are taken or not
	// by themselves, whatever becomes of the policy.
	Certificates []Reading `json:"certificates,omitempty"`
}

// Reading is what came of reading a listener's certificates again.
type Reading struct {
	Listener string `json:"listener"`
	Fault    string `json:"fault,omitempty"` // why they were not taken; those before stay
}

// Mistake is a diagnostic of a policy.
type Mistake struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Length   int    `json:"length"`   // in characters; 0 where there is no column
	Severity string `json:"severity"` // error or warning
	Code     string `json:"code"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// Reload has the policy's files read again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	return r, c.post(ctx, PathReload, struct{}{}, &r)
}
