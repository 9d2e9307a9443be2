package main

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"chaperone/deploy/medspa"
)

// aboutInit says what the files are for.
var aboutInit = map[string]string{
	"chaperone.yaml":  "where things run",
	"rules.yaml":      "the policy: what values are, who may see them",
	"rules_test.yaml": "what must hold of the policy",
}

// defaultNames lists the files of the sample, those of its folders last.
func defaultNames() (names []string) {
	// The files are part of the program: there is no error.
	_ = fs.WalkDir(medspa.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	// Those that an admin looks for come first.
	slices.SortStableFunc(names, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return names
}

// medspa makes the files of the sample med spa, with the answers in the places
// of the sample's own.
func (o *initOptions) medspa() ([]initFile, error) {
	expires, err := time.Parse(time.DateOnly, o.expires)
	if err != nil {
		return nil, failed("", "the agreement's last day: %w", err)
	}
	own := strings.NewReplacer(
		medspa.SchemaLine, "",
		medspa.TestsSchemaLine, "",
		medspa.ProcessorURL, o.processor,
		medspa.EHRURL, o.ehr,
		medspa.LedgerURL, o.ledger,
		medspa.ProcessorAgreement, "",
		medspa.EHRAgreement, fmt.Sprintf("agreement: {kind: %s, reference: %q, expires: %s}", o.agreement, o.reference, o.expires),
		medspa.KeyComment, "",
		medspa.FrontDeskKeySHA256, strings.ToLower(o.keyHash),
		medspa.Caller, o.pos,
		medspa.AfterAgreement, "now: "+expires.AddDate(0, 0, 1).Format(time.DateOnly),
		`"currency": "USD"`, fmt.Sprintf(`"currency": %q`, strings.ToUpper(o.currency)),
		"currency: USD", "currency: "+strings.ToUpper(o.currency),
	)
	var files []initFile
	for _, name := range defaultNames() {
		f := initFile{name: name, about: aboutInit[name]}
		if name == "chaperone.yaml" {
			f.text = o.config()
		} else {
			text, err := medspa.Files.ReadFile(name)
			if err != nil {
				return nil, failed("", "%w", err)
			}
			f.text = []byte(own.Replace(string(text)))
		}
		files = append(files, f)
	}
	return files, nil
}

// config is chaperone.yaml.
func (o *initOptions) config() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Where things run. The policy is in rules.yaml.
#
#   chaperone check chaperone.yaml
#   chaperone run --config chaperone.yaml
rules: rules.yaml
listen: {address: %q}      # point the POS here
admin: {address: %q}       # metrics and health
data: ./data                             # store, journal, keyring, the socket of the commands: back it up
`, o.listen, o.admin)
	if o.redis != "" {
		fmt.Fprintf(&b, "state:\n  redis: {addresses: [%q]", o.redis)
		if o.redisPassword != "" {
			fmt.Fprintf(&b, ", password_file: %q", o.redisPassword)
		}
		b.WriteString("}          # appendonly yes, maxmemory-policy noeviction\n  on_outage: refuse                      # or spool: docs/outage.md\n")
	}
	if o.vault != "" {
		fmt.Fprintf(&b, `keys:
  vault:
    address: %q
    transit_key: chaperone
    kv_path: secret/chaperone
    auth: {approle: {role_id_file: role-id, secret_id_file: secret-id}}   # two files beside this one
`, o.vault)
	}
	b.WriteString("limits: {body: 4MiB, depth: 128, read_timeout: 10s, upstream_timeout: 30s}\n")
	return []byte(b.String())
}
