package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// load sends n requests of like size, one each gap, and returns how many each URL got.
func load(t *testing.T, p *pool, w *world, n int, gap time.Duration, tokens func() int) []int {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() { require.NoError(t, ask(t.Context(), p, tokens())) })
		time.Sleep(gap)
	}
	all.Wait()
	var got []int
	for _, url := range p.opts.URLs {
		got = append(got, w.called(url, "/embed"))
	}
	return got
}

func hundred() int { return 100 }

func TestAlikeServersGetAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, url := range urls(4) {
			w.at(url, after(20*time.Millisecond, ok))
		}
		p := openPool(t, quiet("one", urls(4)...), Hooks{}, w.seams())
		for _, gap := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
			for _, n := range load(t, p, w, 2000, gap, hundred) {
				require.InDelta(t, 500, n, 100, "%s", gap)
			}
		}
	})
}

func TestAFasterServerGetsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", after(10*time.Millisecond, ok))
		w.at("http://s1", after(40*time.Millisecond, ok))
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		got := load(t, p, w, 2000, 2*time.Millisecond, hundred)
		require.Greater(t, got[0], 1500)
		require.Greater(t, got[1], 40)

		// A server that has become slow is left alone, and tried again now and then.
		got = load(t, p, w, 600, 200*time.Millisecond, hundred)
		require.Greater(t, got[0], 500)
		require.Positive(t, got[1])
		w.at("http://s1", after(5*time.Millisecond, ok))
		got = load(t, p, w, 2000, 50*time.Millisecond, hundred)
		require.Greater(t, got[1], 1000)
	})
}

// The servers take time by tokens; a few requests are a hundred times the others. Counting tokens
// keeps the short ones from waiting behind the long.
func TestTokensInFlightCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{endpoints: []*endpoint{{url: "busy", pace: 1e-5, heard: time.Now()}, {url: "free", pace: 1e-5, heard: time.Now()}}}
		e, _ := p.choose(10000, nil)
		for range 20 {
			next, _ := p.choose(100, nil)
			require.NotSame(t, e, next)
		}
		require.Equal(t, 20, inside(p)[0].inFlight+inside(p)[1].inFlight-1)
	})
}

func TestWhoHangsIsSentLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, url := range urls(3) {
			w.at(url, after(100*time.Millisecond, ok))
		}
		u := quiet("one", urls(3)...)
		u.Timeout = 20 * time.Second
		p := openPool(t, u, Hooks{}, w.seams())
		load(t, p, w, 2000, 5*time.Millisecond, hundred) // 7 in flight at each
		w.at("http://s1", after(time.Hour, ok))
		got := load(t, p, w, 2000, 5*time.Millisecond, hundred)
		require.LessOrEqual(t, got[1], 20)
	})
}

func TestANewcomerStartsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", failing)
		w.at("http://s1", after(10*time.Millisecond, ok))
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		synctest.Wait()
		until(t, p, 0, "ejected")
		w.at("http://s0", after(10*time.Millisecond, ok))
		time.Sleep(10 * time.Second)
		until(t, p, 0, "ready")
		w.called("http://s0", "/embed")
		w.called("http://s1", "/embed")
		early := load(t, p, w, 1000, time.Millisecond, hundred)
		require.Less(t, early[0], 250)
		time.Sleep(10 * time.Second)
		late := load(t, p, w, 1000, time.Millisecond, hundred)
		require.InDelta(t, 500, late[0], 100)
	})
}

// Servers fail, hang, cut answers short and come back at random. Whatever they do: every request
// gets an answer or an error of its upstream, no count is left over, and half of the servers at
// least are in.
func TestNoRequestIsLostWhateverServersDo(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func chaos(t *testing.T, r *rand.Rand) {
	w := newWorld()
	var mu sync.Mutex
	random := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	u := quiet("one", urls(1+random(6))...)
	u.MaxInFlight, u.MaxQueued, u.Timeout = 1+random(50), 1+random(50), 2*time.Second
	if random(2) == 0 {
		u.ProbeInterval = time.Second
	}
	moods := []func(*http.Request) (*http.Response, error){
		ok, failing, after(100*time.Millisecond, ok), after(time.Minute, ok), always(200, "<"), always(429, "", "Retry-After", "1"),
		func(*http.Request) (*http.Response, error) { return nil, &connectError{errGone} },
	}
	for _, url := range u.URLs {
		w.at(url, ok)
	}
	p := openPool(t, u, Hooks{Changed: func(Change) {}}, w.seams())
	var all sync.WaitGroup
	answered := 0
	for range 2000 {
		all.Go(func() {
			ctx := t.Context()
			left := time.Now().Add(time.Duration(random(3000)) * time.Millisecond)
			err := p.send(ctx, &request{path: "/embed", tokens: random(1000), read: wellFormed, gone: func() bool { return time.Now().After(left) }})
			mu.Lock()
			defer mu.Unlock()
			if answered++; err != nil {
				require.ErrorContains(t, err, `upstream "one": `)
			}
		})
		time.Sleep(time.Duration(random(20)) * time.Millisecond)
		if random(50) == 0 {
			w.at(u.URLs[random(len(u.URLs))], moods[random(len(moods))])
		}
		out := 0
		for _, e := range p.describe().Endpoints {
			if e.State == "ejected" || e.State == "probing" {
				out++
			}
		}
		require.LessOrEqual(t, 2*out, len(u.URLs))
	}
	all.Wait()
	require.Equal(t, 2000, answered)
	requireIdle(t, p)

	// When all is well again, so is everything here.
	for _, url := range u.URLs {
		w.at(url, ok)
	}
	time.Sleep(5 * time.Minute)
	for range 100 {
		require.NoError(t, ask(t.Context(), p, 1))
	}
	for _, e := range p.describe().Endpoints {
		require.Equal(t, "ready", e.State)
	}
}
