package ratelimit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const childStore = "QUADRATE_TEST_CHILD"

func TestMain(m *testing.M) {
	if store := os.Getenv(childStore); store != "" {
		if err := serveChild(store, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// What three servers share: 500 requests a second, after 600 at once.
const (
	perSecond = 500
	atOnce    = 600
	servers   = 3
)

// report is a line that a child writes: when Redis was found or lost, or its counts when asked.
type report struct {
	What string    `json:"what"` // found, lost, counts
	At   time.Time `json:"at"`
	// Shared and Local are the requests that Redis, and this process alone, let in so far.
	Shared, Local int64
}

// serveChild is a server that asks for more than it gets, from the first line that it reads to
// the end, and answers each further line with its counts.
func serveChild(store string, in io.Reader, out io.Writer) error {
	var mu sync.Mutex
	var shared, local atomic.Int64
	write := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		// The counts are older than the time.
		r := report{What: what, Shared: shared.Load(), Local: local.Load()}
		r.At = time.Now()
		_ = json.NewEncoder(out).Encode(r)
	}
	l, err := New(Options{Store: store, Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 60 * perSecond, Burst: atOnce}}},
		OnStore: func(available bool, _ error) { write(map[bool]string{true: "found", false: "lost"}[available]) }})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	client := func() {
		for {
			wait, err := ask(l, &shared, &local)
			if err != nil {
				panic(err)
			}
			select {
			case <-stop:
				return
			case <-time.After(wait):
			}
		}
	}
	lines := bufio.NewScanner(in)
	for started := false; lines.Scan(); started = true {
		if started {
			write("counts")
			continue
		}
		for range 4 {
			clients.Go(client)
		}
	}
	close(stop)
	clients.Wait()
	return l.Close()
}

// ask asks once and returns after how long to ask again.
func ask(l *Limiter, shared, local *atomic.Int64) (time.Duration, error) {
	g, err := l.Take(context.Background(), Caller{"c", "one"}, "m", 0)
	var e *Exceeded
	switch {
	case errors.As(err, &e):
		return e.RetryAfter, nil
	case err != nil:
		return 0, err
	}
	g.Done(0)
	if _, ok := g.counted.(*sharedGrant); ok {
		shared.Add(1)
	} else {
		local.Add(1)
	}
	return 0, nil
}

// child is another process of this test's binary.
type child struct {
	t       *testing.T
	in      io.WriteCloser
	reports chan report
}

func startChild(t *testing.T, store string) *child {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childStore+"="+store)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	c := &child{t: t, in: in, reports: make(chan report, 100)}
	go func() {
		defer close(c.reports)
		for lines := json.NewDecoder(out); ; {
			var r report
			if lines.Decode(&r) != nil {
				return
			}
			c.reports <- r
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for range c.reports {
			continue
		}
		require.NoError(t, command.Wait())
	})
	return c
}

func (c *child) say(line string) {
	_, err := fmt.Fprintln(c.in, line)
	require.NoError(c.t, err)
}

// next is the child's next report of a kind.
func (c *child) next(what string) report {
	c.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case r, ok := <-c.reports:
			require.True(c.t, ok, "the server ended")
			if r.What == what {
				return r
			}
		case <-timeout:
			require.Fail(c.t, "no report", what)
		}
	}
}

// sum asks all servers for their counts.
func sum(children []*child) (total report) {
	for _, c := range children {
		c.say("counts")
	}
	for _, c := range children {
		r := c.next("counts")
		total.Shared += r.Shared
		total.Local += r.Local
		if r.At.After(total.At) {
			total.At = r.At
		}
	}
	return total
}

// allowed is what a limit allows in some time: its burst, and its rate.
func allowed(burst, rate float64, from, to time.Time) float64 {
	return burst + rate*to.Sub(from).Seconds()
}

// within2Percent holds what was let in to the limit. Above it nothing may ever be. Below it is,
// when the machine had other things to do, what these servers have not asked for yet: they catch
// up with it, so a later look at the counts serves as well.
func within2Percent(t *testing.T, what string, look func() (admitted int64, least, most float64)) {
	t.Helper()
	for range 50 {
		admitted, least, most := look()
		require.LessOrEqual(t, float64(admitted), most+1, what)
		if float64(admitted) >= 0.98*least {
			t.Logf("%s: %d let in, %.0f allowed (%+.2f %%)", what, admitted, least, 100*(float64(admitted)/least-1))
			require.LessOrEqual(t, float64(admitted), 1.02*least, what)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.Fail(t, "less was let in than allowed", what)
}

// Three servers share a limit through Redis, lose it, allow their parts of the limit, and share
// again when it is back.
func TestThreeServersShareALimit(t *testing.T) {
	s := startRedis(t)
	var children []*child
	for range servers {
		children = append(children, startChild(t, s.url()))
	}
	for _, c := range children {
		c.next("found")
	}
	started := time.Now()
	for _, c := range children {
		c.say("go")
	}
	// Long enough that each has counted the others.
	time.Sleep(2*beatEvery + time.Second)
	within2Percent(t, "three servers", func() (int64, float64, float64) {
		total := sum(children)
		require.Zero(t, total.Local)
		limit := allowed(atOnce, perSecond, started, total.At)
		return total.Shared, limit, limit
	})

	killed := time.Now()
	s.Kill()
	lost := make([]report, servers)
	for i, c := range children {
		lost[i] = c.next("lost")
	}
	time.Sleep(2 * time.Second)
	for i, c := range children {
		within2Percent(t, fmt.Sprintf("server %d alone", i+1), func() (int64, float64, float64) {
			r := sum([]*child{c})
			part := func(from time.Time) float64 { return allowed(atOnce/servers, float64(perSecond)/servers, from, r.At) }
			return r.Local, part(lost[i].At), part(killed)
		})
	}

	before := sum(children)
	restarted := time.Now()
	s.Start()
	for _, c := range children {
		c.next("found")
	}
	found := time.Now()
	time.Sleep(2 * time.Second)
	within2Percent(t, "three servers again", func() (int64, float64, float64) {
		total := sum(children)
		return total.Shared - before.Shared, allowed(atOnce, perSecond, found, total.At), allowed(atOnce, perSecond, restarted, total.At)
	})
}
