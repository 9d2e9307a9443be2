package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"chaperone/rules"
	"chaperone/rules/ruletest"

	"github.com/spf13/cobra"
)

// testOptions are the flags of test.
type testOptions struct {
	rules, config   string
	run             string
	verbose, asJSON bool
	coverage        bool
	coverageMin     float64
}

func newTestCommand(a *app) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run the unit tests that stand beside a policy",
		Long: `Runs tests of a policy: what comes in, what the destinations answer, and what
must come of it. The tests stand in files named *_test.yaml; a folder stands for
all of them below it. It is the compiler and the engine that run uses, with
stand-ins in the place of destinations: nothing is sent, stored or opened.

Tests are of the policy that their file names under rules:, else of --rules or
--config, else of the rules.yaml beside the file.

Exit codes: 0 all tests passed, 1 a test failed or too little was reached,
2 wrong usage, 3 mistakes in a test file or in a policy, and nothing was run.`,
		Example: `  chaperone test .
  chaperone test rules_test.yaml --run refund -v
  chaperone test --coverage --coverage-min 100 policies
  chaperone test --json . | jq '.tests[] | select(.passed | not) | .name'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, "test needs at least one FILE, or a folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return test(cmd, a, args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.rules, "rules", "", "the policy `FILE` of tests that name none")
	f.StringVarP(&o.config, "config", "c", "", "the configuration `FILE`, whose policy and limits hold for tests that name none")
	f.StringVar(&o.run, "run", "", "run only the tests whose name matches the regular `EXPRESSION`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "list the tests that passed, too")
	f.BoolVar(&o.coverage, "coverage", false, "list what no test has reached")
	f.Float64Var(&o.coverageMin, "coverage-min", 0, "fail where less than `PERCENT` of the policy is reached")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON document")
	for _, name := range []string{"rules", "config"} {
		_ = cmd.MarkFlagFilename(name, "yaml", "yml") // fails only for a flag that is not there
	}
	return cmd
}

func test(cmd *cobra.Command, a *app, args []string, o testOptions) error {
	if o.rules != "" && o.config != "" {
		return usageError(cmd, "--config names a policy already: leave out --rules")
	}
	if o.coverageMin < 0 || o.coverageMin > 100 {
		return usageError(cmd, "--coverage-min is a percentage, from 0 to 100")
	}
	only, err := regexp.Compile(o.run)
	if err != nil {
		return usageError(cmd, "--run is no regular expression: %s", err)
	}
	files, err := testFiles(args)
	if err != nil {
		return err
	}
	began := time.Now()
	s := suite{policies: map[string]*testedPolicy{}, options: o}
	for _, file := range files {
		s.read(file)
	}
	s.found.Sort()
	if s.found.HasErrors() {
		return s.mistaken(a)
	}
	s.perform(cmd.Context(), only)
	s.took = time.Since(began)
	return s.report(a)
}

// testFiles lists the files that the arguments stand for, each once.
func testFiles(args []string) ([]string, error) {
	var files []string
	add := func(name string) {
		if !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, &failure{code: exitUsage, message: fmt.Sprintf("%s: %s", arg, unreadable(arg, err).Message), hint: "name a *_test.yaml file, or a folder"}
		case !info.IsDir():
			add(filepath.Clean(arg))
			continue
		}
		found := len(files)
		err = filepath.WalkDir(arg, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && ruletest.IsTestFile(name) {
				add(filepath.Clean(name))
			}
			return err
		})
		if err != nil {
			return nil, failed("", "%s: %w", arg, err)
		}
		if len(files) == found {
			return nil, &failure{code: exitUsage, message: "there is no *_test.yaml file below " + arg, hint: "see `chaperone help test`"}
		}
	}
	return files, nil
}

// suite is the tests of one run.
type suite struct {
	options  testOptions
	files    []*testedFile
	policies map[string]*testedPolicy // by the cleaned name of their file
	order    []*testedPolicy
	found    rules.Diagnostics
	results  []testResult
	took     time.Duration
}

// testedFile is a test file, and its policy.
type testedFile struct {
	file   *ruletest.File
	policy *testedPolicy // nil: it has mistakes
}

// read reads a test file, and its policy if that was not read before.
func (s *suite) read(name string) {
	src, err := os.ReadFile(name)
	if err != nil {
		s.found = append(s.found, unreadable(name, err))
		return
	}
	f, ds := ruletest.Read(name, src, os.ReadFile)
	s.found = append(s.found, ds...)
	t := &testedFile{file: f}
	s.files = append(s.files, t)
	t.policy = s.policy(name, f.Rules)
	if t.policy.plan != nil {
		s.found = append(s.found, f.Check(t.policy.plan)...)
	}
}

// policy loads the policy of a test file.
func (s *suite) policy(name string, named ruletest.Text) *testedPolicy {
	file := filepath.Join(filepath.Dir(name), "rules.yaml")
	switch {
	case named.Written() && filepath.IsAbs(named.Text):
		file = named.Text
	case named.Written():
		file = filepath.Join(filepath.Dir(name), named.Text)
	case s.options.config != "":
		file = s.options.config
	case s.options.rules != "":
		file = s.options.rules
	}
	file = filepath.Clean(file)
	if p := s.policies[file]; p != nil {
		return p
	}
	p := &testedPolicy{file: file}
	s.policies[file], s.order = p, append(s.order, p)
	src, err := os.ReadFile(file)
	if err != nil {
		d := unreadable(file, err)
		d.Hint = "name the policy in the test file, as in rules: ../rules.yaml, or with --rules"
		s.found = append(s.found, d)
		return p
	}
	from := file
	if isConfig(file, src) {
		cfg, ds := parseConfig(file, src)
		s.found = append(s.found, ds...)
		if p.cfg, from = cfg, cfg.rules; from == "" {
			return p
		}
	}
	plan, engine, ds := loadPolicy(from, p.cfg)
	for _, d := range ds {
		if d.Severity == rules.Error { // check says the warnings
			s.found = append(s.found, d)
		}
	}
	if p.plan, p.engine = plan, engine; plan != nil {
		p.coverage, p.mask = ruletest.NewCoverage(plan), ruletest.NewMasker(plan)
	}
	return p
}

// perform runs the tests.
func (s *suite) perform(ctx context.Context, only *regexp.Regexp) {
	for _, f := range s.files {
		for _, t := range f.file.Tests {
			if only.MatchString(t.Name) {
				s.results = append(s.results, runTest(ctx, f.policy, f.file, t))
			}
		}
	}
}

// mistaken says the mistakes because of which nothing was run.
func (s *suite) mistaken(a *app) error {
	if s.options.asJSON {
		if err := writeJSON(a.out, s.document()); err != nil {
			return err
		}
		return findings()
	}
	writeDiagnostics(a.err, s.found)
	errors, warnings := count(s.found)
	_, err := fmt.Fprintf(a.err, "%s; no test was run\n", summary(s.names(), errors, warnings))
	if err != nil {
		return err
	}
	return findings()
}

// names lists the files that were read.
func (s *suite) names() []string {
	var names []string
	for _, f := range s.files {
		names = append(names, f.file.Name)
	}
	for _, p := range s.order {
		names = append(names, p.file)
	}
	return names
}

// report says what came of the tests.
func (s *suite) report(a *app) error {
	var err error
	if s.options.asJSON {
		err = writeJSON(a.out, s.document())
	} else {
		_, err = a.out.Write([]byte(s.text(paletteFor(a.out), terminalWidth(a.out))))
	}
	switch {
	case err != nil:
		return err
	case s.failed() > 0:
		return &failure{code: exitFailed}
	case s.tally().Percent() < s.options.coverageMin:
		return &failure{code: exitFailed, message: fmt.Sprintf("the tests reach %s of the policy, and %g %% are asked for", s.tally(), s.options.coverageMin),
			hint: "`chaperone test --coverage` lists what is not reached"}
	}
	return nil
}

func (s *suite) failed() int {
	n := 0
	for i := range s.results {
		if !s.results[i].passed() {
			n++
		}
	}
	return n
}

func (s *suite) tally() ruletest.Tally {
	var t ruletest.Tally
	for _, p := range s.order {
		if p.coverage != nil {
			t = t.Add(p.coverage.Tally())
		}
	}
	return t
}
