// Package printable makes text that others have written one that can be shown.
package printable

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes are the sequences with which programs colour what they write to a terminal (ECMA-48, 5.4).
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// Text is text that does no harm to the terminal it is read in: without escape sequences and
// control characters but line feeds and tabs, and with U+FFFD for what is not UTF-8.
func Text(text string) string {
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, string(utf8.RuneError)), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}
