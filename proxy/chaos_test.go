package proxy

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Three replicas at 200 requests a second for a minute, with the defaults: one is killed, one made
// slow, one answers 500 and one hangs, in turn. Every request is answered, and all but those few
// in time that wait for the first byte of the one that hangs.
func TestReplicasFailInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usual := func(r *http.Request) (*http.Response, error) {
			return after(time.Duration(10+rand.IntN(20))*time.Millisecond, ok)(r)
		}
		w := newWorld()
		u := quiet("one", urls(3)...)
		u.ProbeInterval, u.RetryBudget, u.Timeout = 0, 0, 2*time.Second
		for _, url := range u.URLs {
			w.at(url, usual)
		}
		p := openPool(t, u, Hooks{}, w.seams())
		moods := map[int]func(){
			1000:  func() { w.at("http://s0", nil) },
			3000:  func() { w.at("http://s0", usual) },
			4000:  func() { w.at("http://s1", after(time.Second, ok)) },
			6000:  func() { w.at("http://s1", usual) },
			7000:  func() { w.at("http://s2", failing) },
			9000:  func() { w.at("http://s2", usual) },
			10000: func() { w.at("http://s0", after(time.Hour, ok)) },
			11500: func() { w.at("http://s0", usual) },
		}
		var mu sync.Mutex
		var all sync.WaitGroup
		var took []time.Duration
		for i := range 12000 {
			if change := moods[i]; change != nil {
				change()
			}
			all.Go(func() {
				start := time.Now()
				require.NoError(t, ask(t.Context(), p, 16))
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(start))
			})
			time.Sleep(5 * time.Millisecond)
		}
		all.Wait()
		slices.Sort(took)
		require.Len(t, took, 12000)
		p99 := took[len(took)*99/100]
		t.Logf("p50 %v, p99 %v, longest %v", took[len(took)/2], p99, took[len(took)-1])
		require.Less(t, p99, 100*time.Millisecond)
		require.Less(t, took[len(took)-1], 5*time.Second)
		requireIdle(t, p)
	})
}
