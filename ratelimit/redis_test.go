package ratelimit

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/ratelimit/redistest"
)

// server is a real redis-server.
type server struct {
	*redistest.Server
	t testing.TB
}

func startRedis(t testing.TB, options ...string) *server {
	t.Helper()
	return &server{redistest.Start(t, options...), t}
}

// url has long timeouts, so that a busy machine is not taken for a dead Redis.
func (s *server) url() string {
	return s.URL(0) + "?dial_timeout=10s&read_timeout=10s"
}

// quick has the default timeouts.
func (s *server) quick() string { return "redis://" + s.Address }

func (s *server) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Address})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// told is a limiter with what OnStore was told of it.
type told struct {
	*Limiter
	store chan error // nil: it is there
}

func newSharedLimiter(t testing.TB, o Options) *told {
	t.Helper()
	l := &told{store: make(chan error, 100)}
	o.OnStore = func(available bool, err error) {
		if available != (err == nil) {
			panic(fmt.Sprint(available, err))
		}
		l.store <- err
	}
	var err error
	l.Limiter, err = New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func (l *told) next(t testing.TB) error {
	t.Helper()
	select {
	case err := <-l.store:
		return err
	case <-time.After(30 * time.Second):
		require.Fail(t, "OnStore was not told")
		return nil
	}
}

// found waits until Redis is there. A busy machine may take several attempts.
func (l *told) found(t testing.TB) *told {
	t.Helper()
	for l.next(t) != nil {
		continue
	}
	return l
}

func requireShared(t testing.TB, g *Grant) {
	t.Helper()
	require.IsType(t, &sharedGrant{}, g.counted)
}

func requireLocal(t testing.TB, g *Grant) {
	t.Helper()
	require.IsType(t, &localGrant{}, g.counted)
}

// Keys have no names or addresses, and go by themselves.
func TestKeysExpireAndTellNothing(t *testing.T) {
	s := startRedis(t)
	l := newSharedLimiter(t, Options{Store: s.url(), Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 60, TokensPerMinute: 600, Concurrency: 3}}}}).found(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	g, err := l.Take(ctx, Caller{"c", "192.0.2.7"}, "m", 100)
	require.NoError(t, err)
	requireShared(t, g)
	c := s.client()
	counts := countKeys(newScope("c", nil, Limits{Concurrency: 1}), "192.0.2.7")
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, append(counts, replicasKey), keys)
	require.NotContains(t, strings.Join(keys, " "), "192")
	for key, want := range map[string]time.Duration{counts[0]: 11 * time.Second, counts[1]: 45 * time.Second, replicasKey: goneAfter} {
		ttl, err := c.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.InDelta(t, want, ttl, float64(10*time.Second), key)
		require.LessOrEqual(t, ttl, want, key)
	}
	g.Done(100)
	require.Zero(t, c.Exists(t.Context(), counts[1]).Val(), "no request, no lease")
	require.Equal(t, leaseGrace, leaseFor(withDeadline(t, -time.Second)))
	require.Equal(t, maxLease, leaseFor(withDeadline(t, 3*time.Hour)))
	require.Equal(t, lease, leaseFor(t.Context()))
}

func withDeadline(t testing.TB, after time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), after)
	t.Cleanup(cancel)
	return ctx
}

// A server that dies gives its places back, though it never ends its requests.
func TestLeasesEndByThemselves(t *testing.T) {
	s := startRedis(t)
	limits := Limits{Concurrency: 2}
	l := newSharedLimiter(t, Options{Store: s.url(), Classes: []Class{{Name: "c", Limits: limits}}}).found(t)
	dead := take(t, l.Limiter, one, "m", 0)
	take(t, l.Limiter, one, "m", 0)
	e := refuse(t, l.Limiter, one, "m", 0)
	require.Equal(t, "concurrency", e.Setting)
	require.Equal(t, time.Second, e.RetryAfter)
	// As if its time were over.
	leases := countKeys(newScope("c", nil, limits), one.Name)[1]
	require.NoError(t, s.client().ZAdd(t.Context(), leases, redis.Z{Score: 1, Member: dead.counted.(*sharedGrant).lease}).Err())
	take(t, l.Limiter, one, "m", 0)
	refuse(t, l.Limiter, one, "m", 0)
	dead.Done(0) // it lived after all, and has no place to give back
	refuse(t, l.Limiter, one, "m", 0)
}

// One round trip a call, and one to settle where there is something to settle; a Redis that
// has forgotten the scripts is told them again.
func TestRoundTrips(t *testing.T) {
	s := startRedis(t)
	l := newSharedLimiter(t, Options{Store: s.url(), Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 6000, TokensPerMinute: 6000}}}}).found(t)
	take(t, l.Limiter, one, "m", 10).Done(10)
	c := s.client()
	before := calls(t, c)
	for range 20 {
		take(t, l.Limiter, one, "m", 10).Done(10)
	}
	// A beat or two may have come between.
	require.InDelta(t, 20, calls(t, c)-before, 4)
	require.NoError(t, c.ScriptFlush(t.Context()).Err())
	g := take(t, l.Limiter, one, "m", 10)
	requireShared(t, g)
	g.Done(12)
	requireShared(t, take(t, l.Limiter, one, "m", 10))
	require.Empty(t, l.store)
}

// calls is how many scripts Redis ran.
func calls(t testing.TB, c *redis.Client) (n int) {
	stats, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	_, line, _ := strings.Cut(stats, "cmdstat_evalsha:calls=")
	_, err = fmt.Sscanf(line, "%d,", &n)
	require.NoError(t, err)
	return n
}

// Nobody listens, somebody listens and never answers, or Redis wants a password: calls count in
// memory from the first on, and wait for nothing.
func TestWithoutRedisNothingWaits(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, hole.Close()) }()
	closed := startRedis(t, "--requirepass", "secret")
	for name, url := range map[string]string{
		"nobody":     "redis://" + redistest.FreeAddress(t),
		"black hole": "redis://" + hole.Addr().String(),
		"password":   closed.quick(),
		"TLS":        "rediss://" + hole.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			l := newSharedLimiter(t, Options{Store: url, Replicas: 2, Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 600, Burst: 100}}}})
			started := time.Now()
			for range 50 {
				requireLocal(t, take(t, l.Limiter, one, "m", 0))
			}
			require.Less(t, time.Since(started), 50*redisTimeout/5)
			require.ErrorContains(t, l.next(t), "redis at 127.0.0.1:")
			require.Empty(t, l.store, "told once")
		})
	}
	opened := strings.Replace(closed.url(), "redis://", "redis://:secret@", 1)
	l := newSharedLimiter(t, Options{Store: opened, Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 600}}}}).found(t)
	requireShared(t, take(t, l.Limiter, one, "m", 0))
}

// A Redis that hangs costs whoever meets it first its timeout, and nobody after.
func TestRedisHangs(t *testing.T) {
	s := startRedis(t)
	l := newSharedLimiter(t, Options{Store: s.quick(), Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 600000, TokensPerMinute: 100, Concurrency: 10}}}}).found(t)
	g, err := l.Take(t.Context(), one, "m", 0)
	require.NoError(t, err)
	s.Signal(syscall.SIGSTOP)
	started := time.Now()
	requireLocal(t, take(t, l.Limiter, one, "m", 0))
	require.Less(t, time.Since(started), 20*redisTimeout)
	for {
		if err := l.next(t); err != nil {
			break
		}
	}
	started = time.Now()
	g.Done(50)
	for range 1000 {
		take(t, l.Limiter, one, "m", 0).Done(0)
	}
	require.Less(t, time.Since(started), 1000*redisTimeout/20)
	s.Signal(syscall.SIGCONT)
	l.found(t)
	requireShared(t, take(t, l.Limiter, one, "m", 0))
}

// A Redis that answers and cannot count is gone, too, and is not tried in vain by calls.
func TestRedisRefusesWrites(t *testing.T) {
	s := startRedis(t)
	l := newSharedLimiter(t, Options{Store: s.url(), Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 600}}}}).found(t)
	c := s.client()
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	requireLocal(t, take(t, l.Limiter, one, "m", 0))
	require.ErrorContains(t, l.next(t), "OOM")
	requireLocal(t, take(t, l.Limiter, one, "m", 0))
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
	require.NoError(t, l.next(t), "nothing was told between")
	requireShared(t, take(t, l.Limiter, one, "m", 0))
}

// A server that is closed is at once no longer among those that share.
func TestServersAreCounted(t *testing.T) {
	s := startRedis(t)
	o := Options{Store: s.url(), Classes: []Class{{Name: "c", Limits: Limits{RequestsPerMinute: 600}}}}
	first := newSharedLimiter(t, o).found(t)
	require.Equal(t, int64(1), first.replicas(first.table.Load()))
	second := newSharedLimiter(t, o).found(t)
	require.Equal(t, int64(2), second.replicas(second.table.Load()))
	beat := func(worked time.Duration) int64 {
		n, err := first.shared.beat(t.Context())
		require.NoError(t, err)
		first.shared.count(n, worked)
		return first.replicas(first.table.Load())
	}
	require.Equal(t, int64(2), beat(0))
	require.NoError(t, second.Close())
	require.NoError(t, second.Close(), "again")
	require.Equal(t, int64(2), beat(time.Second), "the others may not have found Redis yet")
	// The limiter's own beat of before may come in between.
	left := beat(time.Minute)
	for tries := 0; left != 1 && tries < 1000; tries++ {
		left = beat(time.Minute)
	}
	require.Equal(t, int64(1), left)
	requireLocal(t, take(t, second.Limiter, one, "m", 0))
	o.Replicas = 7
	require.NoError(t, first.Apply(o))
	require.Equal(t, int64(7), first.replicas(first.table.Load()))
}

func BenchmarkRedis(b *testing.B) {
	s := startRedis(b)
	l := newSharedLimiter(b, Options{Store: s.url(), Classes: []Class{
		{Name: "requests", Limits: Limits{RequestsPerMinute: maxLimit}},
		{Name: "all", Limits: Limits{RequestsPerMinute: maxLimit, TokensPerMinute: maxLimit, Concurrency: 1000}},
	}}).found(b)
	for _, class := range []string{"requests", "all"} {
		b.Run(class, func(b *testing.B) {
			for b.Loop() {
				g, err := l.Take(context.Background(), Caller{class, "n"}, "m", 10)
				if err != nil {
					b.Fatal(err)
				}
				g.Done(12)
			}
		})
	}
}
