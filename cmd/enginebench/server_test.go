package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is one that sh runs.
func program(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	return file
}

func TestAServerThatEndsAtOnceIsNotWaitedFor(t *testing.T) {
	begun := time.Now()
	_, err := startServer(t.Context(), options{model: t.TempDir(), server: program(t, "echo no such provider; exit 3")}, "cpu", "fp32")
	require.ErrorContains(t, err, "the server ended before it was ready: no such provider")
	require.ErrorContains(t, err, "exit status 3")
	require.Less(t, time.Since(begun), startLimit/2)
}

// TestAServerThatIsGivenUpIsStopped: it would go on for longer than the test waits.
func TestAServerThatIsGivenUpIsStopped(t *testing.T) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := startServer(ctx, options{model: t.TempDir(), server: program(t, "exec sleep 600")}, "cpu", "fp32")
	require.Error(t, err)
	require.Less(t, time.Since(begun), startLimit/2)
}
