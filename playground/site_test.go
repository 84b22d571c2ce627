package playground

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const assets = "assets/docs"

// TestAssetsBelongToTheirLock fails when package-lock.json, the script that copies or a copied
// file was changed without the others: `make playground` makes them fit.
func TestAssetsBelongToTheirLock(t *testing.T) {
	list, err := os.ReadFile(assets + "/checksums")
	require.NoError(t, err)
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		require.True(t, ok, lines.Text())
		sums[filepath.Join(assets, name)] = sum
	}
	names := []string{"package-lock.json", "update.sh"}
	entries, err := os.ReadDir(assets)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != "checksums" {
			names = append(names, filepath.Join(assets, e.Name()))
		}
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		sum := sha256.Sum256(data)
		require.Equal(t, sums[name], hex.EncodeToString(sum[:]), "%s has changed since `make playground`", name)
	}
	require.Len(t, sums, len(names))
}

// TestAssetsAreOfThePinnedVersion compares the version that is asked for, that of the lock, and
// that which the viewer says it is.
func TestAssetsAreOfThePinnedVersion(t *testing.T) {
	var asked struct{ Dependencies map[string]string }
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
	for name, version := range asked.Dependencies {
		locked := lock.Packages["node_modules/"+name]
		require.Equal(t, version, locked.Version, name)
		require.Regexp(t, `^sha512-`, locked.Integrity, name)
	}
	bundle, err := os.ReadFile(assets + "/swagger-ui-bundle.js")
	require.NoError(t, err)
	said := regexp.MustCompile(`PACKAGE_VERSION:"([^"]+)",GIT_COMMIT`).FindSubmatch(bundle)
	require.NotNil(t, said)
	require.Equal(t, asked.Dependencies["swagger-ui-dist"], string(said[1]))
}

func TestAssetsAreFew(t *testing.T) {
	entries, err := os.ReadDir(assets)
	require.NoError(t, err)
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		total += info.Size()
	}
	require.Less(t, total, int64(2<<20), "bytes in every program that is built")
}

// TestPageKeepsThePolicy: nothing inline, nothing from elsewhere, and all that it names is there.
func TestPageKeepsThePolicy(t *testing.T) {
	s, err := New("test")
	require.NoError(t, err)
	page := string(s.Page.Body)
	require.NotRegexp(t, `<style|style=| on[a-z]+=|javascript:|https?://`, page)
	require.Equal(t, strings.Count(page, "<script"), strings.Count(page, `"></script>`))
	links := regexp.MustCompile(`(?:src|href)="/docs/([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, links, 4)
	for _, link := range links {
		_, ok := s.Asset(link[1])
		require.True(t, ok, link[1])
	}
	require.NotContains(t, SecurityPolicy, "unsafe")
}

func TestSite(t *testing.T) {
	s, err := New("test")
	require.NoError(t, err)
	for _, name := range []string{"index.html", "checksums", "", "..", "docs/docs.js", "../openapi.yaml"} {
		_, ok := s.Asset(name)
		require.False(t, ok, name)
	}
	for name, kind := range map[string]string{
		"docs.js": "text/javascript; charset=utf-8", "swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-LICENSE.txt": "text/plain; charset=utf-8",
	} {
		f, ok := s.Asset(name)
		require.True(t, ok, name)
		require.Equal(t, kind, f.Type)
	}
	other, err := New("other")
	require.NoError(t, err)
	require.NotEqual(t, s.Document.ETag, other.Document.ETag)
	require.Equal(t, s.Page.ETag, other.Page.ETag)
	r, err := gzip.NewReader(bytes.NewReader(s.Document.Gzip()))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, s.Document.Body, plain)
}
