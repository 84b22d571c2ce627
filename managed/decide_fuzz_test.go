package managed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzDecide makes views of bytes, however odd: whatever they say, a plan names units that there
// are, once each and for what their state allows, and is the same again.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Add(slices.Repeat([]byte{0x5a, 0x01, 0xff}, 100))
	r := rand.New(rand.NewPCG(6, 6))
	for range 200 {
		data := make([]byte, 4+r.IntN(400))
		for i := range data {
			data[i] = byte(r.IntN(256))
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := oddView(data)
		p := Decide(v)
		require.Equal(t, p, Decide(v))
		require.True(t, p.Wake.IsZero() || p.Wake.After(v.Now))
		states := map[string]State{}
		for _, u := range v.Units {
			states[u.ID] = u.State
		}
		for _, c := range []struct {
			ids []string
			may []State
		}{
			{p.Start, []State{StateStopped, StateFailed}},
			{p.Drain, []State{StateReady}},
			{p.Stop, []State{StateStarting, StateReady, StateDraining}},
			{p.Admit, []State{StateDraining}},
		} {
			for _, id := range c.ids {
				require.Contains(t, c.may, states[id], "%s is not there, or named twice, or not in this state", id)
				delete(states, id)
			}
		}
	})
}

// oddView reads a view, of a unit for every 24 bytes.
func oddView(data []byte) View {
	v := View{Now: noon, Budgets: Budgets{GPUs: map[string]int{}}}
	number := func() int {
		var b [1]byte
		data = data[copy(b[:], data):]
		return int(int8(b[0]))
	}
	at := func() time.Time {
		if n := number(); n != 0 {
			return noon.Add(time.Duration(n) * time.Second)
		}
		return time.Time{}
	}
	span := func() time.Duration {
		if n := number(); n != 127 {
			return time.Duration(n) * time.Second
		}
		return 1<<63 - 1
	}
	v.Budgets.HostMB, v.Budgets.GPUs["0"], v.Budgets.GPUs["1"], v.MaxWait = number(), number(), number(), span()
	states := []State{
		StateStopped, StatePulling, StateStarting, StateReady, StateDraining, StateStopping, StateFailed, "",
	}
	for len(data) > 0 {
		u := Unit{ID: fmt.Sprint(len(data)), Priority: number(), MemoryMB: number(), GPUMemoryMB: number()}
		u.Group = []string{"", "g", "h", "i"}[number()&3]
		u.GPUs = [][]string{nil, {"0"}, {"1", "0", "1"}, {"0", "all"}}[number()&3]
		u.IdleTTL, u.MinResidency, u.DrainTimeout, u.LoadCost = span(), span(), span(), span()
		u.State = states[number()&7]
		flags := number()
		u.Pinned, u.Leaving = flags&1 > 0, flags&2 > 0
		u.InFlight, u.Waiting = max(number(), 0), max(number(), 0)
		u.WantedSince, u.ReadySince, u.DrainingSince, u.LastUsed, u.RetryAt = at(), at(), at(), at(), at()
		v.Units = append(v.Units, u)
	}
	return v
}
