package main

import (
	"embed"
	"fmt"
	"io"
)

//go:embed completions
var completions embed.FS

// completion serves quadrate completion: it prints a shell's script.
func completion(args []string, stdout io.Writer) error {
	if len(args) == 1 {
		if script, err := completions.ReadFile("completions/quadrate." + args[0]); err == nil {
			_, err = stdout.Write(script)
			return err
		}
	}
	fmt.Fprint(stdout, `Usage: quadrate completion bash|zsh|fish

Prints a script that completes quadrate's commands and flags. For this shell alone:
  bash: source <(quadrate completion bash)
  zsh:  source <(quadrate completion zsh)
  fish: quadrate completion fish | source
For every shell, write it to where yours looks:
  bash: /etc/bash_completion.d/quadrate, or ~/.local/share/bash-completion/completions/quadrate
  zsh:  _quadrate in a folder of $fpath
  fish: ~/.config/fish/completions/quadrate.fish
`)
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		return nil
	}
	return errUsage
}
