package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

func TestDrainSaysClose(t *testing.T) {
	w := start(t, nil)
	require.NoError(t, w.options.Catalog.Replace(loaded()))
	c := w.dial(t)
	c.send(t, "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
	got := c.receive(t)
	require.Equal(t, 200, got.status)
	require.False(t, got.closes)
	w.Drain()
	w.Drain()
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(ask), ask)
	got = c.receive(t)
	require.Equal(t, 200, got.status, "a draining server still serves")
	require.True(t, got.closes)
	c.closed(t)
	require.Equal(t, 503, w.get(t, "/health/ready").status)
	require.True(t, w.get(t, "/nowhere").closes, "errors say it too")
}

// TestShutdownWaitsForRequestsInFlight: one is being computed, the body of another is still
// on its way, and connections without a request are closed without a word.
func TestShutdownWaitsForRequestsInFlight(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	waiting := &modelstest.Embedder{EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		close(asked)
		<-answer
		return words.Embed(ctx, req)
	}}
	w := start(t, nil, models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: waiting})
	silent, kept, uploading, computing := w.dial(t), w.dial(t), w.dial(t), w.dial(t)
	kept.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Equal(t, 200, kept.receive(t).status)
	body := `{"model":"waiting","input":"x"}`
	computing.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	<-asked
	uploading.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n%s", padded(20000)[:15000])
	eventually(t, "the upload has begun", func() bool { return w.budget.used.Load() > 0 })

	done := make(chan error, 1)
	go func() { done <- w.Shutdown(context.Background()) }()
	silent.closed(t)
	kept.closed(t)
	_, err := net.Dial("tcp", w.addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Empty(t, done)
	uploading.send(t, "%s", padded(20000)[15000:])
	got := uploading.receive(t)
	require.Equal(t, 200, got.status)
	require.True(t, got.closes)
	close(answer)
	require.Equal(t, 200, computing.receive(t).status)
	require.NoError(t, <-done)
}

// TestShutdownCutsWhatDoesNotArrive: a request that comes too slowly holds up nobody for long,
// wherever it stands, and is told why; one whose rest does arrive is answered.
func TestShutdownCutsWhatDoesNotArrive(t *testing.T) {
	w := start(t, nil)
	const post = "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n"
	slow := map[string]string{
		"half a header":         "POST /v1/emb",
		"half a small body":     post + "Content-Length: 1000\r\n\r\n" + padded(1000)[:300],
		"half a large body":     post + "Content-Length: 20000\r\n\r\n" + padded(20000)[:15000],
		"half a body in chunks": post + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"inp\r\n",
	}
	cut := map[string]*wire{}
	for name, start := range slow {
		cut[name] = w.dial(t)
		cut[name].send(t, "%s", start)
	}
	kept, late := w.dial(t), w.dial(t)
	kept.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Equal(t, 200, kept.receive(t).status)
	kept.send(t, "GET /hea")
	late.send(t, "%s", post)
	eventually(t, "every request has begun", func() bool {
		begun := 0
		for _, c := range w.listener.open() {
			if !c.fresh.Load() {
				begun++
			}
		}
		return begun == len(slow)+2
	})
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- w.Shutdown(context.Background()) }()
	dripping, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // a byte now and then gains no time
		for dripping.Err() == nil {
			_, _ = cut["half a large body"].Write([]byte("p"))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	time.Sleep(2 * lastBytes) // what has begun is given longer than what has not
	late.send(t, "Content-Length: %d\r\n\r\n", len(ask))
	time.Sleep(lastBytes)
	late.send(t, "%s", ask)
	got := late.receive(t)
	require.Equal(t, 200, got.status)
	require.True(t, got.closes)
	for name, c := range cut {
		got := c.receive(t)
		require.Equal(t, 503, got.status, name)
		require.Equal(t, "1", got.header.Get("Retry-After"), name)
		require.True(t, got.closes, name)
		golden(t, "error_openai_shutting_down", got.body)
	}
	require.Equal(t, 503, kept.receive(t).status)
	require.Less(t, time.Since(began), 3*lastRequest)
	stop()
	for _, c := range cut {
		require.NoError(t, c.Close())
	}
	require.NoError(t, <-done)
	require.Less(t, time.Since(began), 3*lastRequest)
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	asked := make(chan struct{})
	waiting := &modelstest.Embedder{EmbedFunc: func(ctx context.Context, _ models.EmbedRequest) (models.EmbedResult, error) {
		close(asked)
		<-ctx.Done()
		return models.EmbedResult{}, ctx.Err()
	}}
	w := build(t, func(o *Options) { o.BaseContext = base }, models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: waiting})
	ln := listen(t)
	w.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.Serve(ln) }()
	c := w.dial(t)
	body := `{"model":"waiting","input":"x"}`
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	<-asked
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	require.ErrorIs(t, w.Shutdown(ctx), context.DeadlineExceeded)
	require.NoError(t, <-served)
	c.closed(t)
	cancel()
	eventually(t, "the request ends with its base", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.events) == 1 })
	require.Equal(t, 503, w.lastEvent(t).Status)
}

// TestShutdownUnderLoad: with a little time between Drain and Shutdown, every request that
// was sent on an open connection is answered, in many rounds. A client that cannot connect
// any more stops; one that is told Connection: close connects anew. Where the process may not
// keep new connections out, one that is made during Shutdown may be reset.
func TestShutdownUnderLoad(t *testing.T) {
	probe := listen(t)
	strict := refuseNew(probe.(syscall.Conn))
	require.NoError(t, probe.Close())
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	var answered, refused, lost, slow atomic.Int64
	for round := range rounds {
		w := build(t, nil)
		ln := listen(t)
		w.addr = ln.Addr().String()
		served := make(chan error, 1)
		go func() { served <- w.Serve(ln) }()
		var group sync.WaitGroup
		problems := make(chan error, 64)
		var stopping atomic.Bool
		for range 16 {
			group.Go(func() {
				n, late, err := hammer(w.addr, &stopping)
				answered.Add(n)
				var dialing *net.OpError
				switch {
				case errors.As(err, &dialing) && dialing.Op == "dial":
					refused.Add(1) // no request was sent
				case late && !strict && errors.Is(err, syscall.ECONNRESET):
					lost.Add(1)
				case errors.Is(err, errSilent):
					slow.Add(1)
				default:
					problems <- err
				}
			})
		}
		time.Sleep(time.Duration(10+round) * time.Millisecond)
		w.Drain()
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		stopping.Store(true)
		require.NoError(t, w.Shutdown(ctx))
		cancel()
		require.NoError(t, <-served)
		group.Wait()
		close(problems)
		for err := range problems {
			require.NoError(t, err, "round %d", round)
		}
	}
	require.Equal(t, int64(16*rounds), refused.Load()+lost.Load()+slow.Load())
	require.Greater(t, answered.Load(), int64(16*rounds))
	t.Logf("%d requests answered over %d shutdowns; new connections kept out: %t; %d were reset, %d were silent too long", answered.Load(), rounds, strict, lost.Load(), slow.Load())
}

// errSilent is that of a client that did not send in time.
var errSilent = errors.New("the client sent nothing for longer than Shutdown waits")

// hammer sends requests until one fails, and returns how many were answered, and whether the
// last connection was made after stopping was set.
func hammer(addr string, stopping *atomic.Bool) (n int64, late bool, err error) {
	for {
		before := time.Now()
		c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			return n, false, err
		}
		late = stopping.Load()
		in := bufio.NewReader(c)
		for closes := false; !closes; n++ {
			began := time.Now()
			sent, closed, err := strike(c, in)
			// The connection may be as much younger than Shutdown as that goes on accepting.
			if err != nil && sent.Sub(before) > lastBytes-lastAccept {
				err = errors.Join(errSilent, err)
			}
			if err != nil {
				return n, late, fmt.Errorf("request %d of a client: %w", n, err)
			}
			before, closes = began, closed
		}
		_ = c.Close()
	}
}

// strike sends a request, and returns when that was done and whether its answer says that the
// connection is closed.
func strike(c net.Conn, in *bufio.Reader) (sent time.Time, closes bool, err error) {
	_, err = fmt.Fprintf(c, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(ask), ask)
	sent = time.Now()
	if err != nil {
		return sent, false, fmt.Errorf("writing: %w", err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return sent, false, fmt.Errorf("reading: %w", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.HasSuffix(string(body), "}") {
		return sent, false, fmt.Errorf("%d %s: %w", res.StatusCode, body, err)
	}
	return sent, res.Close, nil
}
