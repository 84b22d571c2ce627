package api

import (
	"context"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/internal/printable"
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
	x.send(fiber.StatusOK, []byte(printable.Text(text)))
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
