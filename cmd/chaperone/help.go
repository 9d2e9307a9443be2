package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpTemplate shows what a verb is for in one line, then the rest.
const helpTemplate = `{{.Short}}.

{{with .Long}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

// exitCodes is the table of exit codes.
var exitCodes = []struct {
	code  int
	means string
}{
	{exitOK, "done"},
	{exitFailed, "failed: an `error:` line on stderr says what, and a `hint:` line what to do"},
	{exitUsage, "wrong usage: an unknown verb, flag or argument; nothing was done"},
	{exitFindings, "the verb worked, and found something: mistakes, a changed log, a failed test; what, is on stdout"},
}

// newHelpCommand is help, with our words for a verb that is not there.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]",
		Short:   "Show the help of a verb",
		Example: "  chaperone help check\n  chaperone help log verify",
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, name := range args {
				next := child(at, name)
				if next == nil {
					return usageError(at, "%s has no command %q%s", at.Name(), name, didYouMean(at, name))
				}
				at = next
			}
			return at.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at := cmd.Root()
			for _, name := range args {
				if at = child(at, name); at == nil {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
			}
			return verbNames(at), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

func verbNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name()+"\t"+c.Short)
		}
	}
	return names
}

// everyVerb calls visit with each verb that does something, in the order of the
// help.
func everyVerb(cmd *cobra.Command, visit func(*cobra.Command)) {
	for _, c := range cmd.Commands() {
		switch {
		case c.Hidden:
		case c.HasSubCommands():
			everyVerb(c, visit)
		default:
			visit(c)
		}
	}
}

// commandsPage is docs/commands.md.
func commandsPage() string {
	root := newRootCommand(&app{})
	var b strings.Builder
	b.WriteString(`# Commands

<!-- Generated from the code: make generate. -->

What ` + "`chaperone help VERB`" + ` says, on one page. Shells complete verbs and flags: see ` + "`chaperone completion`" + `.

What a verb has to say goes to stdout; errors, hints, progress and the log go to stderr. Every error is one line that begins with ` + "`error:`" + `; where there is something to do about it, a line follows that begins with ` + "`hint:`" + `. Colours and progress are for terminals: pipes and files get neither, and with ` + "`NO_COLOR`" + ` set terminals get no colours.

## Exit codes

| code | meaning |
| --- | --- |
`)
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.means)
	}
	for _, c := range root.Commands() {
		writeCommand(&b, c)
	}
	return b.String()
}

// writeCommand writes what the help of a verb says, and of those below it.
func writeCommand(b *strings.Builder, c *cobra.Command) {
	if c.Hidden {
		return
	}
	c.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if !c.HasSubCommands() {
		fmt.Fprintf(b, "\n%s", fenced("text", c.UseLine()))
	}
	if c.Long != "" {
		fmt.Fprintf(b, "\n%s", fenced("text", c.Long))
	}
	if flags := flagTable(c.LocalFlags()); flags != "" {
		b.WriteString("\n" + flags)
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n%s", fenced("text", dedent(c.Example)))
	}
	for _, below := range c.Commands() {
		writeCommand(b, below)
	}
}

// flagTable is a verb's flags as a table of Markdown.
func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("| flag | meaning |\n| --- | --- |\n")
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
			usage += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", "\\|"))
	})
	return b.String()
}

// dedent takes the two spaces off that examples have in the help.
func dedent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}

// nearFlag suggests a flag where an unknown one was given.
func nearFlag(cmd *cobra.Command, err error) string {
	written, unknown := strings.CutPrefix(err.Error(), "unknown flag: ")
	if !unknown {
		return ""
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, "--"+f.Name)
		}
	})
	return suggest(written, known)
}
