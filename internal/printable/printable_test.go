package printable

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"plain\n\ttext, 한국어, русский\n":   "plain\n\ttext, 한국어, русский\n",
		"\x1b[1;31mred\x1b[0m\r\n":        "red\n",
		"\x1b[?25lhidden\x1b[2 q":         "hidden",
		"bell\a, NUL\x00, C1\u009b, \x7f": "bell, NUL, C1, ",
		"no \xff\xfe UTF-8":               "no \uFFFD UTF-8",
		"\x1b]0;title\a":                  "]0;title",
	} {
		require.Equal(t, want, Text(text))
	}
}
