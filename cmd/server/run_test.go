package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
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

// -check looks at the store's URL, and leaves the store, which others may share, alone.
// A path that names models_dir once more is told of, with the one that is meant.
func TestAPathThatNamesModelsDirAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "server.yaml")
	for path, want := range map[string]string{
		"var/models/org--x": "leave that part out for " + filepath.Join(dir, "var", "models", "org--x"),
		"models/org--x":     "leave that part out for " + filepath.Join(dir, "var", "models", "org--x"),
		"org--x":            "get it with: scripts/export_onnx.sh org/x --out " + filepath.Join(dir, "var", "models", "org--x"),
	} {
		text := fmt.Sprintf("models_dir: %s\nmodels: [{name: org/x, path: %s}]\n", filepath.Join(dir, "var", "models"), path)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		cfg, err := config.Load(config.LoadOptions{File: file, Dir: dir})
		require.NoError(t, err)
		err = checkModel(nil, cfg.Specs()[0])
		require.ErrorIs(t, err, inference.ErrAbsent)
		require.ErrorContains(t, err, "there is no "+filepath.Join(dir, "var", "models", path, inference.ManifestFile))
		require.ErrorContains(t, err, want)
	}
}

func TestUndoubled(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/var/models/var/models/x": "/srv/var/models/x", "/models/models/x": "/models/x", "/models/x/x": "",
		"/srv/models/x": "", "/a/b/a/x": "", "": "",
	} {
		require.Equal(t, want, undoubled(path), path)
	}
}

func TestCheckCallsNobody(t *testing.T) {
	var lc net.ListenConfig
	store, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	s := newSite(t, "upstreams:\n"+upstreamLine("tei", "tei", "", "http://"+store.Addr().String())+"models: [{name: m, upstream: tei}]\n")
	s.limits = fmt.Sprintf("store: redis://%s\n", store.Addr())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-check", "-config", s.write()}, nil, &out, nil))
	require.Contains(t, out.String(), "m from upstream tei")
	require.NoError(t, store.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = store.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
