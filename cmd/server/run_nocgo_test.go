//go:build !cgo

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
)

func TestWithoutCgoLocalModelsAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.yaml")
	require.NoError(t, os.WriteFile(file, []byte("server: {host: 127.0.0.1, port: 0}\nmodels: [{name: a/b}]\n"), 0o600))
	err := run(t.Context(), []string{"-config", file}, nil, io.Discard, nil)
	require.ErrorIs(t, run(t.Context(), []string{"-check", "-config", file}, nil, io.Discard, nil), inference.ErrAbsent)
	require.ErrorContains(t, err, "a/b: load: this program was built without cgo and cannot run local models")
}
