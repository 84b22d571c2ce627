package playground

import (
	"flag"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/api.md")

const referencePage = "../docs/api.md"

// TestReferencePageIsCurrent holds docs/api.md against what openapi.yaml makes of it.
func TestReferencePageIsCurrent(t *testing.T) {
	got := writeReference(t, describe(t))
	if *update {
		require.NoError(t, os.WriteFile(referencePage, []byte(got), 0o644)) //nolint:gosec // a file of the repository
	}
	want, err := os.ReadFile(referencePage)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is right: go test ./playground -update")
}

// TestReferencePageIsWhole: every route and code is told of, every link leads to a heading, and
// no two headings have the same address.
func TestReferencePageIsWhole(t *testing.T) {
	page, err := os.ReadFile(referencePage)
	require.NoError(t, err)
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(page), "")
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(prose, -1) {
		require.NotContains(t, anchors, anchor(heading[1]), heading[1])
		anchors = append(anchors, anchor(heading[1]))
	}
	links := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(prose, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		if link[1] == "" {
			require.Contains(t, anchors, link[2])
			continue
		}
		require.FileExists(t, "../docs/"+link[1])
	}
	d := describe(t)
	for _, p := range d.Paths {
		require.Regexp(t, "[` ]"+regexp.QuoteMeta(p.name)+"`", prose)
	}
	require.NotRegexp(t, `<[a-zA-Z/!]`, prose, "HTML")
}

// TestEveryCodeIsExplained: x-codes has each code once, with the status of its example.
func TestEveryCodeIsExplained(t *testing.T) {
	d := describe(t)
	codes := d.codes()
	var names []string
	for _, c := range codes.Codes {
		names = append(names, c.name)
		require.NotEmpty(t, c.value.When, c.name)
		require.NotEmpty(t, c.value.Do, c.name)
	}
	require.ElementsMatch(t, codes.Enum, names)
	for _, p := range d.Paths {
		for _, o := range p.value {
			for _, r := range o.value.Responses {
				for _, m := range d.response(r.value).Content {
					found := regexp.MustCompile(`"code":"(\w+)"`).FindStringSubmatch(string(m.value.Example))
					if found != nil {
						c, _ := codes.Codes.get(found[1])
						require.Equal(t, r.name, c.Status, found[1])
					}
				}
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 4294967295: "4,294,967,295", -128: "-128", -1234: "-1,234"} {
		require.Equal(t, want, number(n))
	}
}

func (d *description) codes() schema {
	s, _ := d.Components.Schemas.get("Error")
	for _, name := range []string{"error", "code"} {
		s, _ = s.Properties.get(name)
	}
	return s
}
