package docker

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// maxLogs is how much of the end of a log is kept, in bytes.
const maxLogs = 1 << 20

// Logs returns the last lines of what a container has written, at most 1 MiB of them.
func (e *Engine) Logs(ctx context.Context, id string, lines int) (string, error) {
	if lines < 1 {
		return "", nil
	}
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", e.failedOn(ctx, "read a container's log", err)
	}
	stream, err := e.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return "", e.failedOn(ctx, "read a container's log", err)
	}
	defer func() { _ = stream.Close() }()
	end := &tail{limit: maxLogs}
	if c.Container.Config != nil && c.Container.Config.Tty {
		_, err = io.Copy(end, stream)
	} else {
		_, err = stdcopy.StdCopy(end, end, stream)
	}
	if err != nil {
		return "", e.failed(ctx, "read a container's log", err)
	}
	return strings.ToValidUTF8(string(end.bytes()), "\uFFFD"), nil
}

// tail keeps the last limit bytes of what is written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*t.limit {
		t.kept = append(t.kept[:0], t.bytes()...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte { return t.kept[max(0, len(t.kept)-t.limit):] }
