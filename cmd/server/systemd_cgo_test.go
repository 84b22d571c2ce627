//go:build cgo

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

func systemdUnit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(golden.Root(), "deploy/systemd/quadrate.service"))
	require.NoError(t, err)
	return string(text)
}

// values are what the unit sets a name to.
func values(unit, name string) (found []string) {
	for line := range strings.Lines(unit) {
		if value, is := strings.CutPrefix(line, name+"="); is {
			found = append(found, strings.TrimSpace(value))
		}
	}
	return found
}

// TestSystemdStartsWhatTheUnitsStepsSetUp takes the steps of its comment in another root folder, and
// asks what it asks before each start.
func TestSystemdStartsWhatTheUnitsStepsSetUp(t *testing.T) {
	golden.Model(t, "models/all-MiniLM-L6-v2")
	root := t.TempDir()
	unit := strings.NewReplacer("/opt/quadrate", golden.Root(), "/etc/", root+"/etc/", "/var/lib/", root+"/var/lib/", " -o quadrate -g quadrate", "").Replace(systemdUnit(t))
	steps := regexp.MustCompile(`(?m)^#   ((?:install|cp) .*)$`).FindAllStringSubmatch(unit, -1)
	require.Len(t, steps, 4)
	for _, step := range steps {
		said, err := exec.Command("sh", "-c", step[1]).CombinedOutput()
		require.NoError(t, err, "%s: %s", step[1], said)
	}
	require.FileExists(t, root+"/etc/systemd/system/quadrate.service")

	environ := append(values(unit, "Environment"), "QUADRATE_RUNTIME_LIBRARY="+golden.Library())
	require.Greater(t, len(environ), 5)
	require.Equal(t, []string{golden.Root() + "/bin/quadrate -check"}, values(unit, "ExecStartPre"))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-check"}, environ, &out, nil), out.String())
	require.Contains(t, out.String(), root+"/etc/quadrate/server.yaml: listens on ")
	require.Contains(t, out.String(), minilm+" from "+root+"/var/lib/quadrate/models/all-MiniLM-L6-v2: ok")
}

func TestSystemdWaitsForDrainAndShutdown(t *testing.T) {
	unit := systemdUnit(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.yaml"), []byte("files: {routing: \"\", auth: \"\", rate_limits: \"\"}\nmodels: [{name: a, path: a, tasks: [embed]}]\n"), 0o600))
	cfg, err := config.Load(config.LoadOptions{Dir: dir, File: "server.yaml"})
	require.NoError(t, err)
	_, shutdown := cfg.Server.Timeouts(false)
	require.Equal(t, []string{"307s"}, values(unit, "TimeoutStopSec"))
	require.Equal(t, 307*time.Second, cfg.Server.DrainDelay+shutdown+5*time.Second)
	// Exit status 3 asks for a new process, and a failure is one; 2, a wrong command line, is not mended so.
	require.Equal(t, []string{"on-failure"}, values(unit, "Restart"))
	require.Equal(t, []string{"2"}, values(unit, "RestartPreventExitStatus"))
}
