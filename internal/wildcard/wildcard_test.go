package wildcard

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"", "", true}, {"", "a", false},
		{"*", "", true}, {"*", "BAAI/bge-m3", true}, {"BAAI/*", "BAAI/bge-m3", true}, {"BAAI/*", "baai/bge-m3", false},
		{"*-m3", "BAAI/bge-m3", true}, {"*-m3", "BAAI/bge-m3x", false}, {"a*b*c", "abc", true}, {"a*b*c", "axxbxxc", true},
		{"a*b*c", "acb", false}, {"ab*ba", "aba", false}, {"**", "x", true}, {"a*a", "a", false}, {"[a]*", "a", false},
	} {
		require.Equal(t, c.want, Match(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
	require.True(t, Is("a*"))
	require.False(t, Is("a?"))
	require.True(t, MatchAny([]string{"x", "a*"}, "ab"))
	require.False(t, MatchAny(nil, "ab"))
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b", "axb")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		want, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil {
			t.Skip()
		}
		require.Equal(t, want.MatchString(name), Match(pattern, name))
	})
}
