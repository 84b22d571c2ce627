package playground

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const checksums = "assets/checksums"

// TestAssetsBelongToTheirSources fails when a source, a setting, the build script or a built file
// was changed, added or taken away without the others.
func TestAssetsBelongToTheirSources(t *testing.T) {
	list, err := os.ReadFile(checksums)
	require.NoError(t, err)
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		require.True(t, ok, lines.Text())
		sums[name] = sum
	}
	for _, name := range built(t) {
		data, err := os.ReadFile(filepath.FromSlash(name))
		require.NoError(t, err)
		sum := sha256.Sum256(data)
		require.Equal(t, sums[name], hex.EncodeToString(sum[:]), "%s has changed since `make playground`", name)
		delete(sums, name)
	}
	require.Empty(t, sums, "are gone since `make playground`")
}

// built lists what build.sh has checksums of: its settings, the page's sources without their tests,
// and what it makes.
func built(t *testing.T) []string {
	t.Helper()
	script, err := os.ReadFile("build.sh")
	require.NoError(t, err)
	settings := regexp.MustCompile(`(?m)^settings=\((.+)\)$`).FindSubmatch(script)
	require.NotNil(t, settings)
	names := strings.Fields(string(settings[1]))
	for _, root := range []string{"app", "assets/app", "assets/docs"} {
		require.NoError(t, filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && (root != "app" || !isTest(name)) {
				names = append(names, filepath.ToSlash(name))
			}
			return err
		}))
	}
	return names
}

func isTest(name string) bool {
	return strings.HasSuffix(name, ".test.ts") || strings.HasSuffix(name, ".test.tsx") ||
		slices.Contains(strings.Split(filepath.Dir(name), string(filepath.Separator)), "testdata")
}

// TestAssetsAreOfThePinnedVersion compares the version that is asked for, that of the lock, and
// that which the viewer says it is.
func TestAssetsAreOfThePinnedVersion(t *testing.T) {
	var asked struct{ Dependencies, DevDependencies map[string]string }
	var lock struct {
		Packages map[string]struct{ Version, Integrity string }
	}
	read := func(name string, into any) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, into))
	}
	read("package.json", &asked)
	read("package-lock.json", &lock)
	for _, list := range []map[string]string{asked.Dependencies, asked.DevDependencies} {
		for name, version := range list {
			require.Equal(t, version, lock.Packages["node_modules/"+name].Version, name)
		}
	}
	for name, locked := range lock.Packages {
		if name != "" {
			require.Regexp(t, `^sha512-`, locked.Integrity, name)
		}
	}
	bundle, err := os.ReadFile("assets/docs/swagger-ui-bundle.js")
	require.NoError(t, err)
	said := regexp.MustCompile(`PACKAGE_VERSION:"([^"]+)",GIT_COMMIT`).FindSubmatch(bundle)
	require.NotNil(t, said)
	require.Equal(t, asked.Dependencies["swagger-ui-dist"], string(said[1]))
}

// TestLicencesAreThere: who is given the program is given the licences of what is in it.
func TestLicencesAreThere(t *testing.T) {
	data, err := os.ReadFile("assets/app/LICENSES.txt")
	require.NoError(t, err)
	for _, name := range []string{"preact", "@preact/signals", "comlink", "echarts", "zrender", "papaparse", "ml-pca", "ml-hclust",
		// ml-matrix has these bundled in.
		"ml-matrix", "is-any-array", "ml-array-max", "ml-array-min", "ml-array-rescale"} {
		require.Regexp(t, `(?m)^`+name+` \d+\.\d+\.\d+ \(`, string(data))
	}
	for _, name := range []string{"swagger-ui-LICENSE.txt", "swagger-ui-NOTICE.txt", "swagger-ui-bundle.js.LICENSE.txt"} {
		require.FileExists(t, "assets/docs/"+name)
	}
}

func TestAssetsAreFew(t *testing.T) {
	total := int64(0)
	require.NoError(t, filepath.WalkDir("assets", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	}))
	require.Less(t, total, int64(4<<20), "bytes in every program that is built")
}
