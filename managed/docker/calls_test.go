package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
)

// every calls each method that asks the engine something.
var every = map[string]func(*Engine, context.Context) error{
	"Ping":     func(e *Engine, ctx context.Context) error { return e.Ping(ctx) },
	"HasImage": func(e *Engine, ctx context.Context) error { _, err := e.HasImage(ctx, "x"); return err },
	"Pull":     func(e *Engine, ctx context.Context) error { return e.Pull(ctx, "x", nil) },
	"Start": func(e *Engine, ctx context.Context) error {
		_, err := e.Start(ctx, managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
		return err
	},
	"Inspect": func(e *Engine, ctx context.Context) error { _, err := e.Inspect(ctx, "c1"); return err },
	"List":    func(e *Engine, ctx context.Context) error { _, err := e.List(ctx); return err },
	"Stop":    func(e *Engine, ctx context.Context) error { return e.Stop(ctx, "c1", time.Second) },
	"Logs":    func(e *Engine, ctx context.Context) error { _, err := e.Logs(ctx, "c1", 1); return err },
	"Memory":  func(e *Engine, ctx context.Context) error { _, err := e.Memory(ctx, "c1"); return err },
	"Watch": func(e *Engine, ctx context.Context) error {
		return e.Watch(ctx, func() {}, func(managed.Event) {})
	},
}

func TestAnEngineThatIsNotThereIsAway(t *testing.T) {
	for what, do := range every {
		t.Run(what, func(t *testing.T) {
			e, f := newFake(t, nil)
			f.server.Close()
			err := do(e, context.Background())
			require.ErrorIs(t, err, managed.ErrAway)
			require.ErrorContains(t, err, e.host)
			require.NotErrorIs(t, err, managed.ErrGone)
		})
	}
}

func TestEachCallHasAConnectionOfItsOwn(t *testing.T) {
	e, f := newFake(t, nil)
	connections := 0
	f.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.True(t, r.Close)
		connections++
		f.ServeHTTP(w, r)
	})
	for range 3 {
		require.NoError(t, e.Ping(context.Background()))
	}
	require.Equal(t, 3, connections)
}

func TestCallsEndWithTheirContext(t *testing.T) {
	for what, do := range every {
		t.Run(what, func(t *testing.T) {
			e, f := newFake(t, nil)
			entered := make(chan struct{}, 100)
			f.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				hangs(w, r)
			})
			ctx, cancel := context.WithCancel(context.Background())
			go func() { <-entered; cancel() }()
			err := do(e, ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, managed.ErrAway)
		})
	}
}

func TestCallsWithoutDeadlineGetOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := bounded(context.Background(), time.Second)
		defer cancel()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), managed.ErrAway)

		mine, cancelMine := context.WithTimeout(context.Background(), time.Hour)
		defer cancelMine()
		ctx, cancel = bounded(mine, time.Second)
		defer cancel()
		time.Sleep(time.Minute)
		require.NoError(t, ctx.Err())
	})
}

func TestOutlivingEndsAWhileLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		longer, cancel := outliving(ctx, 5*time.Second)
		defer cancel()
		end()
		time.Sleep(4 * time.Second)
		require.NoError(t, longer.Err())
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, longer.Err(), context.Canceled)

		never, cancelNever := outliving(context.Background(), time.Second)
		cancelNever()
		require.Error(t, never.Err())
	})
}

func TestPingTellsOfAnOldEngine(t *testing.T) {
	e, f := newFake(t, nil)
	f.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.30") })
	err := e.Ping(context.Background())
	require.ErrorContains(t, err, "1.30")
	require.NotErrorIs(t, err, managed.ErrAway)
}

func TestListIsOfThisInstance(t *testing.T) {
	e, f := newFake(t, map[string]http.HandlerFunc{
		"GET /containers/json":      sends(`[{"Id": "c1"}, {"Id": "gone"}, {"Id": "c2"}]`),
		"GET /containers/c1/json":   running("c1", "one", "here"),
		"GET /containers/gone/json": says(404, "No such container: gone"),
		"GET /containers/c2/json": sends(`{"Id": "c2", "Name": "/two", "State": {"Running": false, "ExitCode": 137, "OOMKilled": true},
			"Config": {"Labels": {"io.quadrate.upstream": "u2", "io.quadrate.config": "h2"}}}`),
	})
	all, err := e.List(context.Background())
	require.NoError(t, err)
	require.Equal(t, []managed.Container{
		{ID: "c1", Name: "one", Spec: "up", Hash: "h", Address: "127.0.0.1:32768", Running: true},
		{ID: "c2", Name: "two", Spec: "u2", Hash: "h2", ExitCode: 137, OOM: true},
	}, all)
	query := f.made("GET /containers/json")[0].query
	require.Equal(t, "1", query.Get("all"))
	require.JSONEq(t, `{"label": {"io.quadrate.instance=here": true}}`, query.Get("filters"))
}

func TestStopEndsWhenTheContainerIsGone(t *testing.T) {
	gone := says(404, "No such container: c1")
	for what, c := range map[string]struct {
		stop, remove http.HandlerFunc
		removals     int
	}{
		"stops":             {says(204, ""), inTurn(says(204, ""), gone), 2},
		"is gone":           {gone, gone, 1},
		"had ended":         {says(304, ""), inTurn(says(204, ""), gone), 2},
		"cannot be stopped": {says(500, "tried to kill container, but did not receive an exit event"), inTurn(says(204, ""), gone), 2},
		"is being removed":  {says(204, ""), inTurn(says(409, "removal of container c1 is already in progress"), gone), 2},
	} {
		t.Run(what, func(t *testing.T) {
			e, f := newFake(t, map[string]http.HandlerFunc{"POST /containers/c1/stop": c.stop, "DELETE /containers/c1": c.remove})
			require.NoError(t, e.Stop(context.Background(), "c1", 1500*time.Millisecond))
			require.Equal(t, "2", f.made("POST /containers/c1/stop")[0].query.Get("t"))
			removed := f.made("DELETE /containers/c1")
			require.Len(t, removed, c.removals)
			require.Equal(t, "1", removed[0].query.Get("force"))
		})
	}
}

func TestStopSaysWhyAContainerIsNotGone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e, f := newFake(t, map[string]http.HandlerFunc{"POST /containers/c1/stop": says(204, "")})
	f.answers["DELETE /containers/c1"] = func(w http.ResponseWriter, r *http.Request) {
		if len(f.made("DELETE")) == 3 {
			cancel()
		}
		says(500, "driver \"overlay2\" failed to remove root filesystem: device busy")(w, r)
	}
	err := e.Stop(ctx, "c1", time.Second)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "device busy")
}

// frame is a piece of a log as the engine sends it; stream is 1 for stdout, 2 for stderr.
func frame(stream byte, text string) string {
	head := [8]byte{stream}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head[:]) + text
}

func TestLogs(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 1023)+"\n", 3000)
	for what, c := range map[string]struct {
		tty      bool
		sent     string
		want     string
		wantSize int
	}{
		"both streams":  {sent: frame(1, "out\n") + frame(2, "err\n") + frame(1, "more\n"), want: "out\nerr\nmore\n"},
		"a terminal":    {tty: true, sent: "plain\r\n", want: "plain\r\n"},
		"nothing":       {sent: "", want: ""},
		"not text":      {sent: frame(1, "a\xffb\n"), want: "a\uFFFDb\n"},
		"very much":     {sent: frame(1, long), wantSize: maxLogs},
		"much terminal": {tty: true, sent: long, wantSize: maxLogs},
	} {
		t.Run(what, func(t *testing.T) {
			e, f := newFake(t, map[string]http.HandlerFunc{
				"GET /containers/c1/json": sends(fmt.Sprintf(`{"Id": "c1", "Config": {"Tty": %v}}`, c.tty)),
				"GET /containers/c1/logs": sends(c.sent),
			})
			got, err := e.Logs(context.Background(), "c1", 20)
			require.NoError(t, err)
			query := f.made("GET /containers/c1/logs")[0].query
			require.Equal(t, []string{"20", "1", "1"}, []string{query.Get("tail"), query.Get("stdout"), query.Get("stderr")})
			if c.wantSize > 0 {
				require.Len(t, got, c.wantSize)
				require.True(t, strings.HasSuffix(long, got))
				return
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestLogsOfNoLines(t *testing.T) {
	e, f := newFake(t, nil)
	got, err := e.Logs(context.Background(), "c1", 0)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Empty(t, f.made(""))
}

func TestTailKeepsTheEnd(t *testing.T) {
	var all bytes.Buffer
	kept := &tail{limit: 10}
	for i := range 100 {
		_, err := io.MultiWriter(&all, kept).Write([]byte(strings.Repeat(fmt.Sprint(i), i%13)))
		require.NoError(t, err)
		require.LessOrEqual(t, len(kept.kept), 20+24)
		require.Equal(t, all.Bytes()[max(0, all.Len()-10):], append([]byte(nil), kept.bytes()...))
	}
}

func TestMemoryIsAsDockerStatsShowsIt(t *testing.T) {
	for what, c := range map[string]struct {
		stats string
		want  int64
	}{
		"cgroup 1":     {`{"usage": 1000, "stats": {"total_inactive_file": 300, "inactive_file": 1}}`, 700},
		"cgroup 2":     {`{"usage": 1000, "stats": {"inactive_file": 200}}`, 800},
		"more than it": {`{"usage": 1000, "stats": {"inactive_file": 2000}}`, 1000},
		"no details":   {`{"usage": 1000}`, 1000},
		"not running":  {`{}`, 0},
	} {
		t.Run(what, func(t *testing.T) {
			e, f := newFake(t, map[string]http.HandlerFunc{"GET /containers/c1/stats": sends(`{"memory_stats": ` + c.stats + `}`)})
			got, err := e.Memory(context.Background(), "c1")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			query := f.made("GET /containers/c1/stats")[0].query
			require.Equal(t, []string{"false", "true"}, []string{query.Get("stream"), query.Get("one-shot")})
		})
	}
}

func TestWatchHearsOfEnds(t *testing.T) {
	begunFirst := make(chan struct{})
	e, f := newFake(t, map[string]http.HandlerFunc{"GET /events": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = http.NewResponseController(w).Flush()
		<-begunFirst
		_, _ = io.WriteString(w, `{"Type":"container","Action":"oom","Actor":{"ID":"c1","Attributes":{}}}
{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137"}}}
{"Type":"container","Action":"start","Actor":{"ID":"c2"}}
{"Type":"container","Action":"die","Actor":{"ID":"c2","Attributes":{"exitCode":"0"}}}
`)
	}})
	var heard []managed.Event
	err := e.Watch(context.Background(), func() { close(begunFirst) }, func(v managed.Event) { heard = append(heard, v) })
	require.ErrorIs(t, err, managed.ErrAway) // the stream has ended
	require.Equal(t, []managed.Event{
		{Container: "c1"}, {Container: "c1", Died: true, ExitCode: 137}, {Container: "c2", Died: true},
	}, heard)
	query := f.made("GET /events")[0].query
	require.JSONEq(t, `{"type": {"container": true}, "event": {"die": true, "oom": true}, "label": {"io.quadrate.instance=here": true}}`, query.Get("filters"))
	require.Regexp(t, `^[0-9]+\.[0-9]{9}$`, query.Get("since"))
}

func TestWatchDoesNotBeginWhereItIsRefused(t *testing.T) {
	e, _ := newFake(t, map[string]http.HandlerFunc{"GET /events": says(403, "forbidden by the socket's proxy")})
	err := e.Watch(context.Background(), func() { require.Fail(t, "it has begun") }, nil)
	require.ErrorContains(t, err, "forbidden by the socket's proxy")
	require.NotErrorIs(t, err, managed.ErrAway)
}
