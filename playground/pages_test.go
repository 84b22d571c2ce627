package playground

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPagesKeepThePolicy: nothing inline, nothing from elsewhere, and all that they name is there.
func TestPagesKeepThePolicy(t *testing.T) {
	s, err := New("test")
	require.NoError(t, err)
	for path, pages := range map[string]*Pages{"/docs/": s.Docs, "/playground/": s.Playground} {
		page := string(pages.Page.Body)
		require.NotRegexp(t, `<style|style=| on[a-z]+=|javascript:|https?://`, page)
		require.Equal(t, strings.Count(page, "<script"), strings.Count(page, `"></script>`))
		links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
		made := 0
		for _, link := range links {
			if link[1] == "data:," || link[1] == "/openapi.json" {
				continue
			}
			name, below := strings.CutPrefix(link[1], path)
			require.True(t, below, link[1])
			_, ok := pages.File(name)
			require.True(t, ok, link[1])
			made++
		}
		require.GreaterOrEqual(t, made, 2, "a script and a style sheet of %s", path)
	}
	require.NotContains(t, SecurityPolicy, "unsafe")
}

// TestScriptsNameWhatIsThere: what the playground's scripts load is embedded, too.
func TestScriptsNameWhatIsThere(t *testing.T) {
	s, err := New("test")
	require.NoError(t, err)
	for name, f := range s.Playground.files {
		for _, link := range regexp.MustCompile(`["'`+"`"+`](?:/playground/|\./)([\w.-]+\.(?:js|css))["'`+"`"+`]`).FindAllSubmatch(f.Body, -1) {
			_, ok := s.Playground.File(string(link[1]))
			require.True(t, ok, "%s loads %s", name, link[1])
		}
	}
}

func TestSite(t *testing.T) {
	s, err := New("test")
	require.NoError(t, err)
	for _, name := range []string{"index.html", "checksums", "", "..", "docs/docs.js", "app/app.js", "../openapi.yaml"} {
		for _, pages := range []*Pages{s.Docs, s.Playground} {
			_, ok := pages.File(name)
			require.False(t, ok, name)
		}
	}
	for name, kind := range map[string]string{
		"docs.js": "text/javascript; charset=utf-8", "swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-LICENSE.txt": "text/plain; charset=utf-8",
	} {
		f, ok := s.Docs.File(name)
		require.True(t, ok, name)
		require.Equal(t, kind, f.Type)
		_, ok = s.Playground.File(name)
		require.False(t, ok, "%s is of the other page", name)
	}
	f, ok := s.Playground.File("app.js")
	require.True(t, ok)
	require.Equal(t, "text/javascript; charset=utf-8", f.Type)
	other, err := New("other")
	require.NoError(t, err)
	require.NotEqual(t, s.Document.ETag, other.Document.ETag)
	require.Equal(t, s.Docs.Page.ETag, other.Docs.Page.ETag)
	require.NotEqual(t, s.Docs.Page.ETag, s.Playground.Page.ETag)
	r, err := gzip.NewReader(bytes.NewReader(s.Document.Gzip()))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, s.Document.Body, plain)
}

func TestPagesWithoutAPage(t *testing.T) {
	_, err := pagesOf("assets/docs")
	require.EqualError(t, err, "playground: there is no index.html in assets/docs")
	_, err = pagesOf("assets/nothing")
	require.ErrorContains(t, err, "assets/nothing")
}
