package api

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/models"
)

const (
	defaultLogLines = 200
	maxLogLines     = 10000
)

// adminLogs answers the last lines that the container of the model in the path has written.
func (x *call) adminLogs(ctx context.Context) error {
	lines, err := x.logLines()
	if err != nil {
		return err
	}
	entry, err := x.modelInPath()
	if err != nil {
		return err
	}
	// Nobody waits for lines as long as for a model.
	ctx, cancel := context.WithTimeout(ctx, x.server.options.RequestTimeout)
	defer cancel()
	text, err := x.server.options.Admin.Logs(ctx, entry.Name, lines)
	switch {
	case err != nil && x.server.changes.Err() != nil:
		return models.Errorf(models.KindShuttingDown, "").Because(err)
	case err != nil:
		return err
	}
	x.send(fiber.StatusOK, []byte(plain(text)))
	x.http.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return nil
}

func (x *call) logLines() (int, error) {
	const field = "lines"
	value := x.http.Query(field)
	if value == "" {
		return defaultLogLines, nil
	}
	lines, err := strconv.Atoi(value)
	if err != nil || lines < 1 || lines > maxLogLines {
		return 0, invalid(field, "%s must be a whole number from 1 to %d, not %q", field, maxLogLines, shorten(value))
	}
	return lines, nil
}

// escapes are the sequences with which programs colour what they write to a terminal.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// plain is text that does no harm to the terminal it is read in: without control characters but
// line feeds and tabs, and with U+FFFD for what is not UTF-8.
func plain(text string) string {
	text = escapes.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}
