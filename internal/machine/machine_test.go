package machine

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheInstructionSetIsTheProcessors(t *testing.T) {
	m := This()
	require.Equal(t, runtime.GOOS, m.OS)
	require.Equal(t, runtime.GOARCH, m.Arch)
	require.Positive(t, m.Cores)
	require.NotNil(t, m.InstructionSet)
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || runtime.GOARCH != "amd64" {
		return // elsewhere there is nothing to compare it with
	}
	var flags []string
	for line := range strings.Lines(string(data)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "flags" {
			flags = strings.Fields(value)
			break
		}
	}
	for _, name := range m.InstructionSet {
		require.Contains(t, flags, name)
	}
}
