package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAGenerationEndsWithItsLastRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGenerations()
		first, second := g.begin(), g.begin()
		old := g.next()
		third := g.begin()
		ended := func(g *generation) bool {
			select {
			case <-g.done:
				return true
			default:
				return false
			}
		}
		require.False(t, ended(old))
		first()
		require.False(t, ended(old))
		waited := make(chan struct{})
		go func() { <-old.done; close(waited) }()
		second()
		<-waited
		require.True(t, ended(old))
		newer := g.next()
		require.False(t, ended(newer), "the third request began after the first reload")
		third()
		require.True(t, ended(newer))
		require.True(t, ended(g.next()), "nobody was there")
	})
}

// A request looks up what is in force when it does so, which may have come after it.
func TestAGenerationEndsAfterAllEarlierOnes(t *testing.T) {
	ended := func(g *generation) bool {
		select {
		case <-g.done:
			return true
		default:
			return false
		}
	}
	g := newGenerations()
	slow := g.begin()
	first := g.next()
	other := g.begin()
	second := g.next()
	third := g.next()
	other()
	for _, old := range []*generation{first, second, third} {
		require.False(t, ended(old), "the slow request may use what came meanwhile")
	}
	slow()
	for _, old := range []*generation{first, second, third} {
		require.True(t, ended(old))
	}
	require.True(t, ended(g.next()))
}

// What a request sees in force when it has begun is not closed before it ends.
func TestNothingIsClosedUnderARequest(t *testing.T) {
	type thing struct{ closed atomic.Bool }
	g := newGenerations()
	var inForce atomic.Pointer[thing]
	inForce.Store(&thing{})
	var broken atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 1000 {
				end := g.begin()
				runtime.Gosched()
				used := inForce.Load()
				runtime.Gosched()
				if used.closed.Load() {
					broken.Add(1)
				}
				end()
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	reloads := 0
	for running := true; running; reloads++ {
		select {
		case <-done:
			running = false
		default:
		}
		old := inForce.Swap(&thing{})
		<-g.next().done
		old.closed.Store(true)
	}
	require.Zero(t, broken.Load())
	require.NotZero(t, reloads)
}
