package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
)

// What is printed is a configuration, and the key that it stands for is let in.
func TestAKeyThatIsMadeWorks(t *testing.T) {
	var out bytes.Buffer
	args := []string{"key", "new", "-name", "team: search", "-models", "BAAI/*, default", "-limits", "standard", "-expires", "2999-01-31", "-admin"}
	require.NoError(t, run(t.Context(), args, nil, &out, nil))
	secret, entry, found := strings.Cut(out.String(), "\n")
	require.True(t, found)
	require.Regexp(t, `^qd_[0-9a-f]{64}$`, secret)
	require.Equal(t, 1, strings.Count(out.String(), secret))
	_, entry, found = strings.Cut(entry, "without a key:\n")
	require.True(t, found)

	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	write("auth.yaml", "anonymous: {enabled: false}\nkeys:"+entry)
	write("limits.yaml", "classes: [{name: standard, requests_per_minute: 60}]\n")
	file := write("server.yaml", "models: [{name: m}]\nfiles: {auth: auth.yaml, rate_limits: limits.yaml}\n")
	cfg, err := config.Load(config.LoadOptions{File: file, Dir: dir})
	require.NoError(t, err)
	keys, err := keyring(cfg.Auth)
	require.NoError(t, err)
	who, err := keys.Identify(secret, time.Now())
	require.NoError(t, err)
	require.Equal(t, "team: search", who.Name)
	require.True(t, who.Admin)
	require.True(t, who.Allows("BAAI/bge-m3"))
	require.True(t, who.Allows("default"))
	require.False(t, who.Allows("other"))
	_, err = keys.Identify(secret, time.Date(2999, 2, 1, 0, 0, 0, 0, time.UTC))
	require.Error(t, err)
}

func TestEveryKeyIsAnother(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"key", "new"}, nil, &out, nil))
		name := regexp.MustCompile(`name: "(key-[0-9a-f]{8})"`).FindStringSubmatch(out.String())
		require.Len(t, name, 2, out.String())
		require.False(t, seen[name[1]])
		seen[name[1]] = true
	}
}

func TestKeyUsage(t *testing.T) {
	for _, args := range [][]string{{"key"}, {"key", "old"}, {"key", "new", "more"}, {"key", "new", "-title", "x"}} {
		var out bytes.Buffer
		require.ErrorIs(t, run(t.Context(), args, nil, &out, nil), errUsage)
		require.Contains(t, out.String(), "quadrate key new")
	}
}

// No key is made whose entry the configuration refuses.
func TestKeysThatCouldNotBeUsed(t *testing.T) {
	for _, test := range []struct{ flag, value, want string }{
		{"-expires", "tomorrow", `-expires: "tomorrow" is not a day, such as 2027-01-31, or a time, such as 2027-01-31T12:00:00Z`},
		{"-models", " , ", "-models is empty: name models, or * for all"},
		{"-name", "two\nlines", "it has characters that cannot be printed"},
		{"-name", strings.Repeat("n", 129), "129 bytes, and at most 128 are allowed"},
	} {
		var out bytes.Buffer
		require.ErrorIs(t, run(t.Context(), []string{"key", "new", test.flag, test.value}, nil, &out, nil), errUsage)
		require.Contains(t, out.String(), test.want)
		require.NotContains(t, out.String(), "qd_")
	}
}
