package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.yaml")
	require.NoError(t, os.WriteFile(file, []byte("models: [{name: a/b, optional: true}]\n"), 0o600))
	for name, c := range map[string]struct {
		args []string
		want string
		err  error
	}{
		"version":        {args: []string{"version"}, want: "quadrate development (go"},
		"check":          {args: []string{"-check", "-config", file}, want: file + " is valid: listens on 0.0.0.0:8000, 1 models\n  a/b from "},
		"check of files": {args: []string{"serve", "-check", "-config", file}, want: "(its files are absent; get it with: scripts/export_onnx.sh a/b --out "},
		"help":           {args: []string{"-help"}, want: "Usage: quadrate [serve] [-config FILE] [-check]"},
		"unknown flag":   {args: []string{"-confg", "x"}, want: "flag provided but not defined: -confg", err: errUsage},
		"too much":       {args: []string{"serve", "now"}, want: `unexpected argument "now"`, err: errUsage},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorIs(t, run(t.Context(), c.args, nil, &out, nil), c.err)
			require.Contains(t, out.String(), c.want)
		})
	}
}
