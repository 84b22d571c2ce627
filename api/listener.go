package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxConnections bounds connections, each of which holds fixed buffers.
	maxConnections = 16384
	// lastBytes is how long, from Shutdown on, a connection on which no request has begun is
	// left open for bytes that are on their way, and lastRequest how long the rest of a
	// request that has begun may take to arrive.
	lastBytes   = 250 * time.Millisecond
	lastRequest = 2 * time.Second
	// lastAccept is how long the listener waits at Shutdown for connections that are being
	// made, when it can keep out new ones, and lastTry when it cannot.
	lastAccept = 100 * time.Millisecond
	lastTry    = time.Millisecond
	// codeConnections is the error's code for a connection too many.
	codeConnections = "too_many_connections"
	// acceptPause is how long Accept waits when the process has no file descriptors left.
	acceptPause = 20 * time.Millisecond
	// lingerTime bounds how long a refused upload is read and thrown away, so that its
	// sender gets to read the answer; lingerStall is how long that waits for more.
	lingerTime  = 10 * time.Second
	lingerStall = time.Second
)

// listener accepts connections and knows those that are open. Closing it loses nothing that
// has arrived. The kernel resets connections that it has made and nobody has accepted, so
// new ones are kept out first, where the platform can, and those are accepted. Every wait for
// a client's bytes, from then on, ends soon: a connection that waits for a request is closed
// by the goroutine that reads it, after a last look for bytes, and by nobody else.
type listener struct {
	net.Listener
	tls      *tls.Config
	limit    int
	refused  func(from net.Addr, why error) // told of a connection too many; it may be nil
	stopping atomic.Bool
	stopped  time.Time     // valid once stopping is true
	started  chan struct{} // closed when Accept is first called
	emptied  chan struct{} // closed when Accept has failed for good
	begin    sync.Once
	end      sync.Once

	// Of the goroutine that accepts:
	swept bool       // whether the queue was emptied at the end
	rest  []net.Conn // what was in it

	mu    sync.Mutex
	conns map[*conn]struct{}
	ended chan struct{} // closed when no connection is left, where somebody waits for that
}

func newListener(inner net.Listener, secure *tls.Config, limit int) *listener {
	return &listener{Listener: inner, tls: secure, limit: limit, started: make(chan struct{}), emptied: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// Accept returns the next connection, or net.ErrClosed when closed and empty. Want of file
// descriptors is waited out: the HTTP library would end the server over it.
func (l *listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { close(l.started) })
	for {
		nc, err := l.next()
		if err != nil {
			if l.retry(err) {
				continue
			}
			if l.stopping.Load() {
				err = errors.Join(net.ErrClosed, l.Listener.Close())
			}
			l.end.Do(func() { close(l.emptied) })
			return nil, err
		}
		c := &conn{Conn: nc, owner: l}
		if l.tls != nil {
			c.Conn = tls.Server(nc, l.tls)
		}
		c.fresh.Store(true)
		if l.add(c) {
			return c, nil
		}
		l.refuse(nc)
	}
}

// next accepts a connection. Once that has come to its end at Shutdown, it takes what came
// in since from the kernel's queue, which is then closed at once: a moment later would do for
// somebody else to be in it.
func (l *listener) next() (net.Conn, error) {
	if len(l.rest) == 0 {
		nc, err := l.Listener.Accept()
		raw, ok := l.Listener.(syscall.Conn)
		if err == nil || !ok || l.swept || !l.stopping.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return nc, err
		}
		l.swept = true
		if l.rest = acceptRest(raw); len(l.rest) == 0 {
			return nil, err
		}
	}
	nc := l.rest[0]
	l.rest = l.rest[1:]
	return nc, nil
}

// retry reports whether Accept should be tried again after err.
func (l *listener) retry(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, errno) {
			time.Sleep(acceptPause)
			return true
		}
	}
	return false
}

// expire makes Accept give up after d; it reports whether the listener can.
func (l *listener) expire(d time.Duration) bool {
	e, ok := l.Listener.(interface{ SetDeadline(t time.Time) error })
	return ok && e.SetDeadline(time.Now().Add(d)) == nil
}

// Close ends Accept, and soon every wait for a request or for the rest of one.
func (l *listener) Close() error {
	l.mu.Lock()
	again := l.stopping.Load()
	if !again {
		l.stopped = time.Now()
		l.stopping.Store(true)
	}
	l.mu.Unlock()
	if again {
		return nil
	}
	wait := lastTry
	if raw, ok := l.Listener.(syscall.Conn); ok && refuseNew(raw) {
		wait = lastAccept
	}
	if !l.expire(wait) {
		if err := l.Listener.Close(); err != nil {
			return err
		}
	}
	<-l.emptied
	for _, c := range l.open() {
		c.hurry()
	}
	return nil
}

// wait returns when no connection is left. Close must have come before.
func (l *listener) wait(ctx context.Context) error {
	l.mu.Lock()
	ended := make(chan struct{})
	if len(l.conns) == 0 {
		close(ended)
	} else {
		l.ended = ended
	}
	l.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abort closes every connection, whatever it is doing.
func (l *listener) abort() {
	for _, c := range l.open() {
		_ = c.Conn.Close()
	}
}

func (l *listener) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) >= l.limit {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if len(l.conns) == 0 && l.ended != nil {
		close(l.ended)
		l.ended = nil
	}
}

func (l *listener) open() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		list = append(list, c)
	}
	return list
}

// refuse answers a connection too many. Only a bare TCP connection is told why: a TLS
// handshake would hold up Accept.
func (l *listener) refuse(nc net.Conn) {
	f := failure{row: rowBytes, message: fmt.Sprintf("the server has %d connections open, and takes no more", l.limit)}
	f.code = codeConnections
	if l.refused != nil {
		l.refused(nc.RemoteAddr(), errors.New(f.message))
	}
	if _, bare := nc.(*net.TCPConn); bare && l.tls == nil {
		body := f.openAIBody()
		var b bytes.Buffer
		fmt.Fprintf(&b, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"+
			"Connection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		_ = nc.SetWriteDeadline(time.Now().Add(acceptPause))
		_, _ = nc.Write(b.Bytes())
	}
	_ = nc.Close()
}

// conn is a connection that knows whether a request has begun on it.
type conn struct {
	net.Conn
	owner *listener
	// fresh is true until the first byte of the next request.
	fresh atomic.Bool
	// ended is true when the client has closed its side.
	ended atomic.Bool
	// linger asks Close to let the client finish sending.
	linger atomic.Bool

	mu sync.Mutex
	// until is the read deadline that was asked for.
	until time.Time
}

// Read reads. Where no request has begun, an ended wait reads as the end of the connection,
// so that it is closed without an answer to nothing.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && c.owner.stopping.Load() && c.fresh.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = c.look(p)
	}
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	if n > 0 {
		if c.fresh.Swap(false) {
			c.hurry() // what has begun is given longer
		}
	} else if errors.Is(err, os.ErrDeadlineExceeded) && c.fresh.Load() {
		err = io.EOF
	}
	return n, err
}

// look reads once more after the wait has ended. On a busy machine the time can be over before
// the goroutine has come to read what was there long ago.
func (c *conn) look(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(lastTry)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// SetWriteDeadline never fails: the HTTP library panics where it does, as on a connection
// closed by abort. The write that follows fails instead.
func (c *conn) SetWriteDeadline(t time.Time) error {
	_ = c.Conn.SetWriteDeadline(t)
	return nil
}

// SetReadDeadline sets t, or what is left to the connection when the listener is closed.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.limitRead()
}

// hurry makes a wait for bytes end soon when the listener is closed.
func (c *conn) hurry() {
	if !c.owner.stopping.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.limitRead() // a dead connection shows in the read
}

func (c *conn) limitRead() error {
	t := c.until
	if c.owner.stopping.Load() {
		grace := lastRequest
		if c.fresh.Load() {
			grace = lastBytes
		}
		if last := c.owner.stopped.Add(grace); t.IsZero() || t.After(last) {
			t = last
		}
	}
	return c.Conn.SetReadDeadline(t)
}

// cut reports whether reads of nc end early because its listener is closed.
func cut(nc net.Conn) bool {
	c, ok := nc.(*conn)
	return ok && c.owner.stopping.Load()
}

// idle says that the answer is written, and the next request may begin.
func (c *conn) idle() { c.fresh.Store(true) }

// Close closes.
func (c *conn) Close() error {
	defer c.owner.remove(c)
	if c.linger.Load() {
		c.drain()
	}
	return c.Conn.Close()
}

// drain closes our side and reads what the client still sends. Closing with bytes unread
// would reset the connection, and the client might lose the answer.
func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	buf := make([]byte, firstBuffer)
	for now := time.Now(); now.Before(end) && !c.owner.stopping.Load(); now = time.Now() {
		_ = c.SetReadDeadline(now.Add(lingerStall))
		if _, err := c.Conn.Read(buf); err != nil {
			return
		}
	}
}
