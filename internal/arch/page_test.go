package arch

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageTellsTheTable: ARCHITECTURE.md has every package, with what it may import.
func TestThePageTellsTheTable(t *testing.T) {
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	told := map[string]bool{"proxy/upstreamtest/serve": true} // with the row above it
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| .* \\| ([^|]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		name, imports := row[1], row[2]
		allowed, is := mayImport[name]
		require.True(t, is, "%s is no package", name)
		told[name] = true
		if imports != "all" {
			require.ElementsMatch(t, allowed, packages(imports), name)
		}
	}
	for name := range mayImport {
		require.True(t, told[name], "ARCHITECTURE.md does not tell of %s", name)
	}
}

// packages reads a list of packages, in which those below internal are named in short behind the
// first of them.
func packages(list string) []string {
	if list == "–" {
		return nil
	}
	names := strings.Split(list, ", ")
	first := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "internal/") })
	for i := range names {
		if first >= 0 && i > first {
			names[i] = "internal/" + strings.TrimPrefix(names[i], "internal/")
		}
	}
	return names
}
