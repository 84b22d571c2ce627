package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
		err  error
	}{
		"version":      {args: []string{"version"}, want: "quadrate development (go"},
		"help":         {args: []string{"-help"}, want: "Usage: quadrate [serve] [-config FILE] [-check]"},
		"unknown flag": {args: []string{"-confg", "x"}, want: "flag provided but not defined: -confg", err: errUsage},
		"too much":     {args: []string{"serve", "now"}, want: `unexpected argument "now"`, err: errUsage},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorIs(t, run(t.Context(), c.args, nil, &out, nil), c.err)
			require.Contains(t, out.String(), c.want)
		})
	}
}
