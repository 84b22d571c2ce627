package api

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

const (
	// bodyStall is how long a body may stop arriving.
	bodyStall = 30 * time.Second
	// drainLimit is how much of an unread body is read and thrown away to keep a connection.
	drainLimit = 256 << 10
	// drainTime is how long that may take; the answer waits for it.
	drainTime = time.Second
	// firstBuffer is where a body of unknown length starts.
	firstBuffer = 32 << 10
)

// budget bounds the bytes that the bodies of all requests hold at once.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// body reads the body of one request from its connection, within the limit of one body and
// the budget of all. The HTTP library hands over the stream before it has read any of it (see
// headerReceived), so nothing is held that is not counted here, apart from the library's fixed
// buffers, and no wait is without the limits set here. The body is counted until release,
// because the strings decoded from it are about its size.
type body struct {
	source *bodySource
	limit  int64
	// setting is what the limit comes from.
	setting string
	budget  *budget
	taken   int64
}

// read returns the whole body, decoded.
func (b *body) read(ctx context.Context, encoding string) ([]byte, error) {
	if b.source == nil {
		return nil, nil
	}
	if int64(b.source.length) > b.limit {
		return nil, b.tooLarge()
	}
	b.source.deadline, _ = ctx.Deadline()
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		end := b.limit
		if b.source.length >= 0 {
			end = int64(b.source.length)
		}
		return b.readAll(b.source, end)
	case "gzip", "x-gzip":
		zip, err := gzip.NewReader(b.source)
		if err != nil {
			return nil, b.source.explain(err)
		}
		return b.readAll(zip, b.limit)
	}
	return nil, &refusal{row: rowEncoding, message: fmt.Sprintf("Content-Encoding %q is not supported; send gzip or none", shorten(encoding))}
}

// readAll reads to the end of r, at most end bytes, into a buffer that doubles as bytes come.
func (b *body) readAll(r io.Reader, end int64) ([]byte, error) {
	buf, err := b.grow(nil, min(firstBuffer, end))
	if err != nil {
		return nil, err
	}
	var past [1]byte
	for {
		if len(buf) == cap(buf) && int64(len(buf)) < end {
			if buf, err = b.grow(buf, min(2*int64(cap(buf)), end)); err != nil {
				return nil, err
			}
		}
		room := buf[len(buf):cap(buf)]
		if len(room) == 0 {
			room = past[:]
		}
		n, err := r.Read(room)
		if int64(len(buf)+n) > end || b.source.count > b.limit {
			return nil, b.tooLarge()
		}
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, b.source.explain(err)
		}
	}
}

// grow moves buf into a larger buffer.
func (b *body) grow(buf []byte, size int64) ([]byte, error) {
	more := size - int64(cap(buf))
	if !b.budget.take(more) {
		return nil, &refusal{row: rowBytes, message: "the server is reading too many bytes of other requests (server.bytes_in_flight); try again"}
	}
	b.taken += more
	larger := make([]byte, len(buf), size)
	copy(larger, buf)
	return larger, nil
}

// release ends the count of the body. It may be called again.
func (b *body) release() {
	b.budget.give(b.taken)
	b.taken = 0
}

func (b *body) tooLarge() error {
	return models.Errorf(models.KindTooLarge, "the request body is larger than %s, decoded (%s)", byteSize(b.limit), b.setting)
}

// finish reads what is left of a body, so that the connection can carry the next request. It
// returns false when there is too much left, or when the stream is broken.
func (b *body) finish() bool {
	s := b.source
	if s == nil || s.ended {
		return true
	}
	if s.broken != nil || int64(s.length)-s.count > drainLimit {
		return false
	}
	s.deadline = time.Now().Add(drainTime)
	_, err := io.CopyN(io.Discard, s, drainLimit)
	return errors.Is(err, io.EOF)
}

// bodySource reads the body's bytes off the connection as they come.
type bodySource struct {
	stream io.Reader
	conn   net.Conn
	// length is what Content-Length says; negative when the body comes in chunks.
	length int
	// deadline is when the request's time is up; stall is how long one read may wait.
	deadline time.Time
	stall    time.Duration
	count    int64
	ended    bool
	broken   error
}

// Read waits for bytes. After the end it does not touch the stream again, whose next bytes
// are another request's.
func (s *bodySource) Read(p []byte) (int, error) {
	switch {
	case s.ended:
		return 0, io.EOF
	case s.broken != nil:
		return 0, s.broken
	}
	until := time.Now().Add(s.stall)
	if !s.deadline.IsZero() && s.deadline.Before(until) {
		until = s.deadline
	}
	_ = s.conn.SetReadDeadline(until) // a dead connection shows in the read
	n, err := s.stream.Read(p)
	s.count += int64(n)
	if err == io.EOF && s.short() {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == io.EOF:
		s.ended = true
	case err != nil:
		s.broken = err
	}
	return n, err
}

// short reports whether what the HTTP library takes for the end is none: it does not check the
// length, and takes a cut between chunks for the last chunk.
func (s *bodySource) short() bool {
	if s.length >= 0 {
		return s.count < int64(s.length)
	}
	c, ok := s.conn.(*conn)
	return ok && c.ended.Load()
}

// explain says what became of a body that could not be read: whether the connection or the
// encoding is at fault.
func (s *bodySource) explain(err error) error {
	broken := s.broken
	switch {
	case broken == nil && s.ended && s.count == 0:
		return syntaxError("the body is empty; it must be a JSON object")
	case broken == nil:
		return models.Errorf(models.KindInvalid, "the body's gzip stream is corrupt or cut short").Because(errors.Join(errSyntax, err))
	case errors.Is(broken, os.ErrDeadlineExceeded):
		if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
			return models.Errorf(models.KindDeadline, "").Because(broken)
		}
		if cut(s.conn) {
			return models.Errorf(models.KindShuttingDown, "").Because(broken)
		}
		return &refusal{row: rowProtocol, message: fmt.Sprintf("the body stopped arriving: %d bytes came, and then none for %s", s.count, s.stall), cause: broken}
	case errors.Is(broken, io.ErrUnexpectedEOF), errors.Is(broken, io.EOF), errors.Is(broken, syscall.ECONNRESET), errors.Is(broken, net.ErrClosed):
		return models.Errorf(models.KindCanceled, "").Because(fmt.Errorf("the client left after %d bytes of its body: %w", s.count, broken))
	}
	return &refusal{row: rowProtocol, message: "the body's chunked encoding is malformed", cause: broken}
}

// byteSize writes a size as the configuration does.
func byteSize(n int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case n >= gib && n%gib == 0:
		return fmt.Sprintf("%dGiB", n/gib)
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}
