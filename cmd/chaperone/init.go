package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chaperone/deploy/medspa"
	"chaperone/rules/propose"

	"github.com/spf13/cobra"
)

// initOptions are the answers that init works with: what flags said, then what
// questions said, then defaults.
type initOptions struct {
	folder     string
	force, yes bool

	pos, keyHash           string
	country, currency      string
	processor, ehr, ledger string
	agreement, reference   string
	expires                string
	listen, admin          string
	redis, redisPassword   string
	vault                  string

	from []string // sample bodies
	kind string   // what they are
	path string   // of the route; empty: by the kind

	now time.Time
}

func newInitCommand(a *app) *cobra.Command {
	o := initOptions{folder: "."}
	cmd := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a working configuration, policy and tests for a med spa",
		Long: `Writes chaperone.yaml, rules.yaml, tests of them and what they need into a
folder, from a few questions. On a terminal it asks for what no flag says; with
--yes, or without a terminal, the defaults hold. What it writes has passed
check and test, or nothing is written. A file that is there already is kept,
unless --force says otherwise.

Without an address, a destination is a stand-in on this machine, which
'chaperone demo --receivers' plays. The record gets health data, and so it needs
the reference and the last day of your agreement with whoever runs it, once it
is no stand-in.

With --from, the policy is proposed from sample bodies of your own POS: what
each member is and who gets it, each line with the reason. Members that it does
not know reach nobody, and are listed. No value of a sample is written or shown,
but for the categories and the first letters of article numbers by which items
are told apart; the bodies of the tests are made up, in the samples' shape.

The key of the POS is shown this once and stored nowhere; the policy has its
SHA-256. A POS that has a key already is told by --key-sha256, which
'chaperone callers add NAME --existing' prints.

Exit codes: 0 written, 1 not written, 2 wrong usage.`,
		Example: `  chaperone init
  chaperone init --yes my-clinic
  chaperone init --from sale.json --from another-sale.json
  chaperone init --from samples --as sale --path /pos/v2/sales
  chaperone init --country GB --ehr https://record.clinic.internal \
    --agreement-reference EHR-7 --agreement-expires 2029-03-31 --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(cmd, "init takes one FOLDER, got %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.folder = args[0]
			}
			o.now = time.Now()
			return initialize(cmd, a, o)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *initOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.pos, "pos", "front-desk", "what the POS is called in the policy and in the log (`NAME`)")
	f.StringVar(&o.keyHash, "key-sha256", "", "the SHA-256 of the key that the POS has already (`HEX`); without it, a key is made")
	f.StringVar(&o.country, "country", "US", "two letters (`CODE`): they decide the currency and the kind of agreement, if no flag does")
	f.StringVar(&o.currency, "currency", "", "three letters (`CODE`) of the currency of the samples; by default the country's")
	f.StringVar(&o.processor, "processor", medspa.ProcessorURL, "the `URL` of the card processor; the default is a stand-in")
	f.StringVar(&o.ehr, "ehr", medspa.EHRURL, "the `URL` of the patient record; the default is a stand-in")
	f.StringVar(&o.ledger, "ledger", medspa.LedgerURL, "the `URL` of the sales ledger; the default is a stand-in")
	f.StringVar(&o.agreement, "agreement", "", "the `KIND` of agreement with the record, BAA or DPA; by default the country's")
	f.StringVar(&o.reference, "agreement-reference", "", "the reference (`TEXT`) of the agreement with the record")
	f.StringVar(&o.expires, "agreement-expires", "", "the last day (`YYYY-MM-DD`) of the agreement with the record")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "the `ADDRESS` that the POS will be pointed at")
	f.StringVar(&o.admin, "admin", "127.0.0.1:9090", "the `ADDRESS` of metrics and health")
	f.StringVar(&o.redis, "redis", "", "the `ADDRESS` of Redis, host:port; without it, the embedded store")
	f.StringVar(&o.redisPassword, "redis-password-file", "", "the `FILE` with the password of Redis")
	f.StringVar(&o.vault, "vault", "", "the `URL` of Vault; without it, the keyring is a local file")
	f.StringArrayVar(&o.from, "from", nil, "propose the policy from the sample body in `FILE`, a folder of them, or - for standard input; may be repeated")
	f.StringVar(&o.kind, "as", string(propose.Auto), "what the samples are (`KIND`): "+joined(propose.Kinds()))
	f.StringVar(&o.path, "path", "", "the `PATH` that the POS posts to; by default "+propose.RoutePath(propose.Sale)+", or the usual one of the kind")
	f.BoolVar(&o.force, "force", false, "replace files that are there already")
	f.BoolVarP(&o.yes, "yes", "y", false, "ask nothing: what no flag says has its default")
	for _, name := range []string{"from", "redis-password-file"} {
		_ = cmd.MarkFlagFilename(name) // fails only for a flag that is not there
	}
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(propose.Kinds(), cobra.ShellCompDirectiveNoFileComp))
}

// initialize settles the answers, makes the files, proves them and writes them.
func initialize(cmd *cobra.Command, a *app, o initOptions) error {
	files := defaultNames()
	if len(o.from) > 0 {
		files = []string{"chaperone.yaml", "rules.yaml", "rules_test.yaml"}
	}
	if err := o.vacant(files); err != nil {
		return err
	}
	if err := o.settle(cmd, a); err != nil {
		return err
	}
	key := ""
	if o.keyHash == "" {
		key, o.keyHash = newCallerKey()
	}
	var proposal *propose.Proposal
	made, err := []initFile(nil), error(nil)
	if len(o.from) > 0 {
		made, proposal, err = o.propose(a)
	} else {
		made, err = o.medspa()
	}
	if err != nil {
		return err
	}
	proof, err := o.write(cmd.Context(), a, made)
	if err != nil {
		return err
	}
	return o.report(a, made, proposal, proof, key)
}

// initFile is a file to be written, by its name below the folder, with slashes.
type initFile struct {
	name, about string // about is empty for what need not be mentioned
	text        []byte
}

// report says what was written, and what to do next.
func (o *initOptions) report(a *app, files []initFile, proposal *propose.Proposal, proof initProof, key string) error {
	p := paletteFor(a.out)
	var b strings.Builder
	if proposal != nil {
		showProposal(&b, p, proposal)
	}
	fmt.Fprintf(&b, "%s\n", p.bold("Written, and tried: "+proof.String()))
	for _, f := range files {
		if f.about != "" {
			fmt.Fprintf(&b, "  %s  %s\n", pad(o.at(f.name), o.widest(files)), p.dim(f.about))
		}
	}
	if key != "" {
		fmt.Fprintf(&b, `
key: %s

That is the key of %s. It is shown this once and stored nowhere: put it into the
POS, as "Authorization: Bearer KEY". %s has its SHA-256.
`, key, o.pos, o.at("rules.yaml"))
	}
	b.WriteString("\nNext:\n")
	for _, line := range o.next() {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	_, err := a.out.Write([]byte(b.String()))
	return err
}

// next are the commands that come after, as they are typed.
func (o *initOptions) next() []string {
	config := shellWord(o.at("chaperone.yaml"))
	var lines []string
	if o.vault != "" {
		lines = append(lines, "put the ids of Vault's AppRole into role-id and secret-id: docs/vault.md")
	}
	if standins := o.standIns(); len(standins) > 0 {
		lines = append(lines, fmt.Sprintf("chaperone demo --receivers    # plays the %s, until there is an address", joined(standins)))
	}
	return append(lines,
		"chaperone run --config "+config,
		"chaperone test "+shellWord(o.folder),
	)
}

// standIns lists the destinations that are not there yet.
func (o *initOptions) standIns() (names []string) {
	for _, d := range []struct{ name, url, standIn string }{
		{"processor", o.processor, medspa.ProcessorURL}, {"ehr", o.ehr, medspa.EHRURL}, {"ledger", o.ledger, medspa.LedgerURL},
	} {
		if d.url == d.standIn {
			names = append(names, d.name)
		}
	}
	return names
}

func (o *initOptions) widest(files []initFile) (width int) {
	for _, f := range files {
		if f.about != "" {
			width = max(width, len(o.at(f.name)))
		}
	}
	return width
}

// initDeadline bounds the tests that prove the files: they take milliseconds.
const initDeadline = time.Minute

func proofContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, initDeadline)
}
