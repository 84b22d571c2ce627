package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args, nil, &out, nil))
	return out.String()
}

func TestVersionTellsWhatIsInside(t *testing.T) {
	text := printed(t, "version", "-config", "no-such-file.yaml")
	require.Contains(t, text, fmt.Sprintf("quadrate development (%s, %s/%s)\n", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	require.Regexp(t, `(?m)^machine +\d+ cores`, text)
	var v inside
	require.NoError(t, json.Unmarshal([]byte(printed(t, "version", "-json")), &v))
	require.Equal(t, "development", v.Version)
	require.Equal(t, runtime.Version(), v.Go)
	require.NotEmpty(t, v.Engine+v.EngineProblem)
}

func TestVersionReadsTheBuild(t *testing.T) {
	v := inside{Version: "v1", Go: "go1", Platform: "linux/amd64", Engine: "ONNX Runtime 1"}
	v.read(&debug.BuildInfo{
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}, {Key: "GOOS", Value: "x"}},
		Deps: []*debug.Module{
			{Path: "b", Version: "v2"},
			{Path: "a", Version: "v1", Replace: &debug.Module{Path: "fork/a", Version: "v1.1"}},
		},
	})
	require.Equal(t, []module{{"b", "v2"}, {"fork/a", "v1.1"}}, v.Modules)
	var out bytes.Buffer
	require.NoError(t, v.print(&out))
	require.Equal(t, "quadrate v1 (go1, linux/amd64)\nrevision  abc, modified\nengine    ONNX Runtime 1\nmachine   0 cores \nmodules\n  b       v2\n  fork/a  v1.1\n", out.String())
}

// TestCompletionsKnowEveryWord compares them with what the program itself says that it takes;
// test/scripts has the shells themselves complete with them.
func TestCompletionsKnowEveryWord(t *testing.T) {
	words := []string{"serve", "healthcheck", "key", "new", "version", "completion", "help"}
	for _, help := range []string{printed(t, "-help"), printed(t, "key", "new", "-help"), printed(t, "version", "-help")} {
		for line := range strings.Lines(help) {
			if name, found := strings.CutPrefix(line, "  -"); found {
				words = append(words, strings.Fields(name)[0])
			}
		}
	}
	require.Subset(t, words, []string{"config", "check", "json", "expires", "admin"})
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := printed(t, "completion", shell)
		for _, word := range words {
			require.Regexp(t, `\b`+word+`\b`, script, shell)
		}
	}
}

func TestCompletionOfNoShell(t *testing.T) {
	for _, args := range [][]string{{"completion"}, {"completion", "csh"}, {"completion", "bash", "zsh"}, {"completion", "../quadrate"}} {
		var out bytes.Buffer
		require.ErrorIs(t, run(t.Context(), args, nil, &out, nil), errUsage)
		require.Contains(t, out.String(), "Usage: quadrate completion bash|zsh|fish")
	}
}
