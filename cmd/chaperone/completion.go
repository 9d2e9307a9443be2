package main

import (
	_ "embed"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those whose completion can be printed.
var shells = []string{"bash", "zsh", "fish"}

// bashCompletion is our own: the library's needs the package bash-completion.
//
//go:embed completion.bash
var bashCompletion string

func newCompletionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print what lets a shell complete verbs and flags",
		Long: `Prints a script for the shell. It asks this program what can stand where the
cursor is, so that it never has to be renewed.

  bash  source <(chaperone completion bash), in ~/.bashrc
  zsh   chaperone completion zsh > "${fpath[1]}/_chaperone"
  fish  chaperone completion fish > ~/.config/fish/completions/chaperone.fish`,
		Example: `  chaperone completion bash > /etc/bash_completion.d/chaperone
  chaperone completion zsh
  chaperone completion fish`,
		Args:      exactArguments("one of bash, zsh, fish"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				_, err := io.WriteString(a.out, bashCompletion)
				return err
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			}
			return usageError(cmd, "there is no completion for %q%s", args[0], suggest(args[0], shells))
		},
	}
}

// completeNothing keeps shells from offering files where a verb takes none.
func completeNothing(root *cobra.Command) {
	everyVerb(root, func(c *cobra.Command) {
		if c.ValidArgsFunction == nil && c.ValidArgs == nil && !strings.Contains(c.Use, "FILE") {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
}
