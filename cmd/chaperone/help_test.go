package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shellWords splits an example as a shell does, up to a pipe or a redirection.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quote, begun := rune(0), false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case r == '|' || r == '<' || r == '>':
			end()
			return words
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return words
}

// TestEveryVerbHasHelp asks each verb for a purpose of one line, flags that say
// what they are, and examples, which the verb's own parser takes.
func TestEveryVerbHasHelp(t *testing.T) {
	verbs := 0
	everyVerb(newRootCommand(&app{out: io.Discard, err: io.Discard}), func(c *cobra.Command) {
		verbs++
		t.Run(c.CommandPath(), func(t *testing.T) {
			if n := len(c.Short); n == 0 || n > 70 || strings.HasSuffix(c.Short, ".") {
				t.Errorf("the purpose is no short line without a stop: %q", c.Short)
			}
			if first := c.Short[:1]; first != strings.ToUpper(first) {
				t.Errorf("the purpose begins small: %q", c.Short)
			}
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("--%s says nothing", f.Name)
				}
			})
			for line := range strings.Lines(c.Long) {
				if n := len([]rune(strings.TrimRight(line, "\n"))); n > 82 {
					t.Errorf("a line of the help has %d characters: %s", n, line)
				}
			}
			examples := 0
			for line := range strings.Lines(c.Example) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "chaperone ") {
					tryExample(t, line)
					if strings.HasPrefix(line+" ", c.CommandPath()+" ") {
						examples++
					}
				}
			}
			if examples == 0 {
				t.Error("no example")
			}
		})
	})
	if verbs < 25 {
		t.Errorf("only %d verbs", verbs)
	}
}

// tryExample gives an example to the parser of its verb.
func tryExample(t *testing.T, line string) {
	t.Helper()
	c, rest, err := newRootCommand(&app{out: io.Discard, err: io.Discard}).Find(shellWords(line)[1:])
	if err != nil || c.HasSubCommands() {
		t.Errorf("%s: there is no such verb: %v", line, err)
		return
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// TestFindingsAreDocumented asks the help of each verb that can end with
// findings to say so, and the help of the program to name the verb.
func TestFindingsAreDocumented(t *testing.T) {
	text := newRootCommand(&app{}).Long
	everyVerb(newRootCommand(&app{}), func(c *cobra.Command) {
		says := regexp.MustCompile(`(?s)Exit codes:.*\b3\b`).MatchString(c.Long)
		name := strings.TrimPrefix(c.CommandPath(), "chaperone ")
		if named := strings.Contains(strings.ReplaceAll(text, "\n", " "), name); says && !named {
			t.Errorf("%s has exit code 3, and the help of the program does not name it", name)
		}
	})
}

func TestShellWords(t *testing.T) {
	got := shellWords(`chaperone keys rotate --reason "a b" -x='c d' 'e' | jq .`)
	if strings.Join(got, "·") != "chaperone·keys·rotate·--reason·a b·-x=c d·e" {
		t.Errorf("got %q", got)
	}
}

// TestManners runs the program as a person may.
func TestManners(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		out    string // a part of stdout
		said   string // stderr
		silent bool   // nothing on stdout
	}{
		{"help of a verb", []string{"help", "log", "verify"}, exitOK, "Find what was changed in the log since it was written.\n\nReads the whole log", "", false},
		{"help by a flag", []string{"log", "verify", "-h"}, exitOK, "Usage:\n  chaperone log verify [flags]", "", false},
		{"help of no verb", []string{"help", "lgo"}, exitUsage, "", "error: chaperone has no command \"lgo\"; did you mean log?\nhint: run `chaperone --help`\n", true},
		{"help of no verb of a group", []string{"help", "log", "verfy"}, exitUsage, "", "error: log has no command \"verfy\"; did you mean verify?\nhint: run `chaperone log --help`\n", true},
		{"a verb that is none", []string{"chekc"}, exitUsage, "", "error: there is no command \"chekc\"; did you mean check?\nhint: run `chaperone --help`\n", true},
		{"a flag that is none", []string{"check", "--jsn", "x"}, exitUsage, "", "error: unknown flag: --jsn; did you mean \"--json\"?\nhint: run `chaperone check --help`\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, said bytes.Buffer
			if code := run(c.args, strings.NewReader(""), &out, &said); code != c.code {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(out.String(), c.out) || said.String() != c.said || c.silent && out.Len() > 0 {
				t.Errorf("out\n%s\nsaid\n%s", out.String(), said.String())
			}
		})
	}
}

// TestErrorsAreColouredForTerminalsAlone pins what a terminal gets.
func TestErrorsAreColouredForTerminalsAlone(t *testing.T) {
	failure := failed("do this", "it is so")
	var said bytes.Buffer
	(&app{err: &said}).exit(failure)
	if got := said.String(); got != "error: it is so\nhint: do this\n" {
		t.Errorf("into a pipe: %q", got)
	}
	var b bytes.Buffer
	sayError(&b, palette{on: true}, "it is so", "do this")
	if got := b.String(); got != "\x1b[31merror:\x1b[0m it is so\n\x1b[36mhint:\x1b[0m do this\n" {
		t.Errorf("to a terminal: %q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if paletteFor(os.Stdout).on {
		t.Error("NO_COLOR is set")
	}
}
