package managed

import (
	"strings"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/internal/printable"
)

const (
	// An error shows so much of a container's logs.
	shownLines, shownBytes = 20, 2000
	// So much is kept when the container is gone.
	tailKept, tailBytes = 200, 64 << 10
	// An engine's or a server's own words in an error.
	wordsBytes = 500
)

// clean makes text one that can be shown in a sentence, save ends of lines.
func clean(text string) string { return strings.ReplaceAll(printable.Text(text), "\t", " ") }

// tail is the end of logs as an error shows it.
func tail(logs string) string {
	var lines []string
	for line := range strings.SplitSeq(clean(logs), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	lines = lines[max(len(lines)-shownLines, 0):]
	return clip(strings.Join(lines, "\n"), shownBytes)
}

// clip keeps the last bytes of a text, and no part of a character.
func clip(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	text = text[len(text)-bytes:]
	for len(text) > 0 && !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	return text
}

// words are an error's, for people.
func words(err error) string {
	text := strings.Join(strings.Fields(clean(err.Error())), " ")
	if len(text) <= wordsBytes {
		return text
	}
	return strings.ToValidUTF8(text[:wordsBytes], "") + "…"
}

// lastOf is the last lines of a text.
func lastOf(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(len(lines)-n, 0):], "")
}
