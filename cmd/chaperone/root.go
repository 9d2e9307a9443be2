package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes, documented in the help of the root command.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitFindings = 3
)

// app is what every verb is given: the streams of the process. A verb's file
// holds newXCommand(*app), which commands lists.
//
// What a verb has to say goes to out; what went wrong, and the log, to err.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// commands lists the verbs in the order of need, as the help shows them.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newDemoCommand(a),
		newInitCommand(a),
		newCheckCommand(a),
		newSchemaCommand(a),
		newTestCommand(a),
		newExplainCommand(a),
		newRunCommand(a),
		newReloadCommand(a),
		newDiffCommand(a),
		newLogCommand(a),
		newOutboxCommand(a),
		newKeysCommand(a),
		newTokenCommand(a),
		newCallersCommand(a),
		newCompletionCommand(a),
		newVersionCommand(a),
	}
}

// run is main with its streams and its exit code made explicit.
func run(args []string, in io.Reader, out, err io.Writer) int {
	a := &app{in: in, out: out, err: err}
	root := newRootCommand(a)
	root.SetArgs(args)
	return a.exit(root.Execute())
}

func newRootCommand(a *app) *cobra.Command {
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use:   "chaperone",
		Short: "A reverse proxy that keeps card and health data where they belong",
		Long: `Chaperone stands between a point of sale and everything it talks to. Card
numbers become tokens, a mixed basket is split into segregated calls, and every
decision is on record before a byte leaves.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 findings (check, test, log verify,
log archive).`,
		Example: `  chaperone demo
  chaperone check chaperone.yaml
  chaperone run --config chaperone.yaml`,
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd, "%s%s", err, nearFlag(cmd, err))
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpTemplate(helpTemplate)
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(commands(a)...)
	completeNothing(root)
	return root
}

// failure is an error with an exit code and, where there is something that the
// user can do, a hint. An empty message says nothing: the verb has already
// said it.
type failure struct {
	code    int
	message string
	hint    string
	cause   error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

// failed returns an error for exit code 1, made as fmt.Errorf makes it. The
// hint is one line, or empty.
func failed(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{code: exitFailed, message: err.Error(), hint: hint, cause: errors.Unwrap(err)}
}

// findings is the error of a verb that worked, found something, and has
// printed it: exit code 3 and not a word more.
func findings() error { return &failure{code: exitFindings} }

// usageError returns an error for exit code 2 that points to the verb's help.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return &failure{
		code:    exitUsage,
		message: fmt.Sprintf(format, args...),
		hint:    fmt.Sprintf("run `%s --help`", cmd.CommandPath()),
	}
}

// noArguments and exactArguments are cobra's, with our words and exit code.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasParent() {
		return usageError(cmd, "there is no command %q%s", args[0], didYouMean(cmd, args[0]))
	}
	return usageError(cmd, "%s takes no argument, got %q", cmd.Name(), args[0])
}

// groupOnly is the RunE of a command that only holds others, such as log.
func groupOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return usageError(cmd, "%s has no command %q%s", cmd.Name(), args[0], didYouMean(cmd, args[0]))
}

func exactArguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usageError(cmd, "%s takes %s, got %d arguments", cmd.Name(), strings.Join(names, " "), len(args))
	}
}

func didYouMean(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	names := cmd.SuggestionsFor(word)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", strings.Join(names, " or "))
}

// exit prints an error as one `error:` line and, where it has one, a `hint:`
// line, and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitOK
	}
	f := &failure{code: exitFailed, message: err.Error()}
	if errors.Is(err, syscall.EPIPE) {
		f.message = "" // the reader of our output has gone away, and knows
	}
	if known := (*failure)(nil); errors.As(err, &known) {
		f = known
	}
	sayError(a.err, paletteFor(a.err), f.message, f.hint)
	return f.code
}

// sayError prints what went wrong, and what to do about it; either may be
// empty.
func sayError(w io.Writer, p palette, message, hint string) {
	if message != "" {
		_, _ = fmt.Fprintf(w, "%s %s\n", p.red("error:"), oneLine(message))
	}
	if hint != "" {
		_, _ = fmt.Fprintf(w, "%s %s\n", p.cyan("hint:"), oneLine(hint))
	}
}

// oneLine keeps an error on its line, and a terminal safe from what a file or
// a server put into it: control characters become spaces.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0)
	}), " ")
}

// logger returns the process's log, on stderr.
func (a *app) logger(level slog.Level, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(a.err, options))
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}

func joined(list []string) string { return strings.Join(list, ", ") }
