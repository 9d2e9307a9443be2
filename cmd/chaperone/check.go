package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/rules/yamlfile"

	"github.com/spf13/cobra"
)

// checkOptions are the flags of check.
type checkOptions struct{ asJSON, strict, explain bool }

// checkJSON is what --json prints; the help says so, too.
type checkJSON struct {
	Files       []string         `json:"files"`
	Errors      int              `json:"errors"`
	Warnings    int              `json:"warnings"`
	Diagnostics []diagnosticJSON `json:"diagnostics"`
}

func newCheckCommand(a *app) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE… | check --explain [CODE]",
		Short: "Say every mistake in configuration and policy files",
		Long: `Reads chaperone.yaml and rules.yaml files, whichever they are, as run reads
them, and prints every mistake at once: its place, what is wrong, its code, the
line, and a hint. A chaperone.yaml takes the policy that it names with it.
Nothing is started or opened.

With --explain it says what a code means, of its own or of an answer, with a
wrong and a right example; without a code it lists all of them.

--json prints {files, errors, warnings, diagnostics}; each diagnostic has file,
line and column (from 1, in characters; 0 for the file as a whole), length (in
characters), severity (error or warning), code, message and perhaps hint.

Exit codes: 0 no mistake, 3 mistakes (with --strict, warnings too).`,
		Example: `  chaperone check chaperone.yaml
  chaperone check --strict rules.yaml
  chaperone check --json chaperone.yaml | jq '.diagnostics[].code'
  chaperone check --explain class_not_taken`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case !o.explain && len(args) == 0:
				return usageError(cmd, "check needs at least one FILE")
			case o.explain && len(args) > 1:
				return usageError(cmd, "check --explain takes one CODE, got %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			if !o.explain {
				return nil, cobra.ShellCompDirectiveDefault
			}
			var codes []string
			for _, t := range codeTexts() {
				codes = append(codes, t.code+"\t"+t.means)
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if o.explain {
				return explainCode(a, strings.Join(args, ""))
			}
			return check(a, args, o)
		},
	}
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "say what a code means")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "let warnings fail too")
	return cmd
}

func check(a *app, files []string, o checkOptions) error {
	c := checker{checked: map[string]bool{}}
	for _, file := range files {
		c.file(file)
	}
	c.found.Sort()
	c.found = slices.Compact(c.found)
	errors, warnings := count(c.found)
	if o.asJSON {
		if err := writeJSON(a.out, checkJSON{c.files, errors, warnings, diagnosticsJSON(c.found)}); err != nil {
			return err
		}
	} else {
		writeDiagnostics(a.out, c.found)
		if _, err := fmt.Fprintln(a.out, summary(c.files, errors, warnings)); err != nil {
			return err
		}
	}
	if errors > 0 || (o.strict && warnings > 0) {
		return findings()
	}
	return nil
}

func summary(files []string, errors, warnings int) string {
	in := plural(len(files), "file")
	switch {
	case errors > 0 && warnings > 0:
		return fmt.Sprintf("%s and %s in %s", plural(errors, "error"), plural(warnings, "warning"), in)
	case errors > 0:
		return fmt.Sprintf("%s in %s", plural(errors, "error"), in)
	case warnings > 0:
		return fmt.Sprintf("%s: no error, %s", in, plural(warnings, "warning"))
	}
	return in + ": no mistake"
}

// checker gathers what is to be said about files. A policy that is named twice
// is read once.
type checker struct {
	files   []string
	found   rules.Diagnostics
	checked map[string]bool // cleaned absolute names
}

// first notes a file and reports whether it was not checked before.
func (c *checker) first(file string) bool {
	name, err := filepath.Abs(file)
	if err != nil {
		name = file
	}
	if c.checked[name] {
		return false
	}
	c.checked[name] = true
	c.files = append(c.files, file)
	return true
}

func (c *checker) file(file string) {
	src, err := os.ReadFile(file)
	switch {
	case err != nil:
		if c.first(file) {
			c.found = append(c.found, unreadable(file, err))
		}
	case !isConfig(file, src):
		c.policy(file, nil)
	case c.first(file):
		cfg, ds := parseConfig(file, src)
		c.found = append(c.found, ds...)
		if cfg.rules != "" {
			c.policy(cfg.rules, cfg)
		}
	}
}

func (c *checker) policy(file string, cfg *config) {
	if !c.first(file) {
		return
	}
	_, _, ds := loadPolicy(file, cfg)
	c.found = append(c.found, ds...)
}

// loadPolicy loads and compiles a policy, as run does. cfg may be nil; with
// one, what the two files say together is judged too. With an error among the
// diagnostics there is no plan and no engine.
func loadPolicy(file string, cfg *config) (*rules.Plan, *rewrite.Engine, rules.Diagnostics) {
	plan, ds := rules.Load(file)
	if plan == nil || ds.HasErrors() {
		return nil, nil, ds
	}
	engine, more := rewrite.Compile(plan)
	ds = append(ds, more...)
	if cfg != nil && cfg.listen.address != "" {
		ds = append(ds, together(cfg, plan)...)
	}
	ds.Sort()
	if ds.HasErrors() {
		return nil, nil, ds
	}
	return plan, engine, ds
}

// loadPlan is loadPolicy for a verb that needs the plan of a configuration.
// Diagnostics are printed if there is a mistake among them, and then there is no
// plan.
func (a *app) loadPlan(cfg *config, file string) (*rules.Plan, error) {
	plan, _, ds := loadPolicy(cfg.rules, cfg)
	if ds.HasErrors() {
		writeDiagnostics(a.err, ds)
		return nil, configError(ds, file)
	}
	return plan, nil
}

// together judges what neither file can be blamed for alone.
func together(cfg *config, plan *rules.Plan) rules.Diagnostics {
	var ds rules.Diagnostics
	if !plan.HasCallers && !loopback(cfg.listen.address) {
		ds = append(ds, rules.Diagnostic{
			Position: cfg.listen.position, Code: "anonymous_listener",
			Message: "the policy has no callers, so that everybody may call, and this address is not for this machine alone",
			Hint:    "listen on 127.0.0.1, or make a key with `chaperone callers add`",
		})
	}
	if plan.HasCallers && cfg.listen.tls == nil && !loopback(cfg.listen.address) {
		ds = append(ds, rules.Diagnostic{
			Position: cfg.listen.position, Severity: rules.Warning, Code: "plain_listener",
			Message: "keys and card numbers come in without TLS from other machines",
			Hint:    "add tls: {cert: …, key: …}, or let something on this machine end TLS",
		})
	}
	return ds
}

// The keys that only one of the two files has at its root.
var (
	configKeys = []string{"rules", "listen", "admin", "data", "state", "keys", "limits", "log"}
	policyKeys = []string{"labels", "basket", "destinations", "callers", "identify", "routes"}
)

// isConfig tells a chaperone.yaml from a rules.yaml by the keys at its root;
// where they do not say, by its name.
func isConfig(file string, src []byte) bool {
	var ignored rules.Diagnostics
	balance := 0
	if root := yamlfile.Parse(file, src, &ignored); root.Kind() == yamlfile.Mapping {
		for _, e := range root.Map().Entries() {
			balance += among(e.Key, configKeys) - among(e.Key, policyKeys)
		}
	}
	if balance != 0 {
		return balance > 0
	}
	return strings.Contains(filepath.Base(file), "chaperone")
}

func among(key string, keys []string) int {
	for _, k := range keys {
		if k == key {
			return 1
		}
	}
	return 0
}
