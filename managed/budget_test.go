package managed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecideKeepsToBudgets(t *testing.T) {
	host10 := Budgets{HostMB: 10}
	gpus := Budgets{GPUs: map[string]int{"0": 10, "1": 10}}
	for name, c := range map[string]struct {
		budgets Budgets
		units   []Unit
		want    Plan
	}{
		"no budget bounds nothing": {
			units: []Unit{wanted("a", fresh, host(1<<40), gpu(1<<40, "0"))},
			want:  Plan{Start: []string{"a"}},
		},
		"what fits exactly starts": {
			budgets: host10,
			units:   []Unit{running("a", host(4), busy), wanted("b", fresh, host(6))},
			want:    Plan{Start: []string{"b"}},
		},
		"what is a megabyte too large does not": {
			budgets: host10,
			units:   []Unit{running("a", host(4), busy), wanted("b", fresh, host(7))},
			want:    Plan{Wake: in(age)},
		},
		"what one plan starts fits together": {
			budgets: host10,
			units:   []Unit{wanted("a", 2*fresh, host(6)), wanted("b", fresh, host(6)), wanted("c", fresh, host(4))},
			want:    Plan{Start: []string{"a", "c"}, Wake: in(age)},
		},
		"all that hold count": {
			budgets: host10,
			units: []Unit{
				running("a", host(3), state(StateStarting)), running("b", host(3), state(StateStopping)),
				running("c", host(3), busy, leaving, draining(fresh)), wanted("d", aged, host(2)),
			},
			want: Plan{Wake: in(29 * time.Second)},
		},
		"what is larger than the budget is never started, and stops nobody": {
			budgets: host10,
			units:   []Unit{running("a", host(4)), wanted("b", aged, host(11)), wanted("c", fresh, host(6))},
			want:    Plan{Start: []string{"c"}},
		},
		"what only pinned ones are in the way of keeps nobody waiting": {
			budgets: host10,
			units:   []Unit{running("a", host(4), pinned), wanted("b", aged, host(7)), wanted("c", fresh, host(6))},
			want:    Plan{Start: []string{"c"}},
		},
		"an exceeded budget matters to nobody who takes nothing of it": {
			budgets: Budgets{HostMB: 10, GPUs: map[string]int{"0": 1}},
			units:   []Unit{running("a", host(20), gpu(5, "0"), busy), wanted("b", fresh, gpu(0, "0"))},
			want:    Plan{Start: []string{"b"}},
		},
		"each GPU has its own budget": {
			budgets: gpus,
			units:   []Unit{running("a", gpu(8, "0"), busy), wanted("b", fresh, gpu(8, "1"))},
			want:    Plan{Start: []string{"b"}},
		},
		"it counts on each of its GPUs": {
			budgets: gpus,
			units:   []Unit{running("a", gpu(8, "0"), busy), wanted("b", fresh, gpu(8, "1", "0"))},
			want:    Plan{Wake: in(age)},
		},
		"a GPU that is named twice counts once": {
			budgets: gpus,
			units:   []Unit{wanted("a", fresh, gpu(4, "0", "all")), wanted("b", fresh, gpu(4, "0", "0")), wanted("c", fresh, gpu(2, "0"))},
			want:    Plan{Start: []string{"a", "b", "c"}},
		},
		"all counts on every GPU": {
			budgets: gpus,
			units:   []Unit{running("a", gpu(8, "all"), busy), wanted("b", fresh, gpu(8, "1"))},
			want:    Plan{Wake: in(age)},
		},
		"a GPU without a budget is not bounded": {
			budgets: gpus,
			units:   []Unit{running("a", gpu(80, "2"), busy), wanted("b", fresh, gpu(80, "2"))},
			want:    Plan{Start: []string{"b"}},
		},

		"an idle one makes room": {
			budgets: host10,
			units:   []Unit{running("a", host(6)), wanted("b", fresh, host(6))},
			want:    Plan{Stop: []string{"a"}, Wake: in(age)},
		},
		"nobody stops when that is not enough": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), busy), wanted("c", fresh, host(6))},
			want:    Plan{Wake: in(age)},
		},
		"nobody stops who does not help": {
			budgets: gpus,
			units:   []Unit{running("a", gpu(6, "0")), running("b", gpu(6, "1")), wanted("c", fresh, gpu(6, "1"))},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"the lower priority goes first": {
			budgets: host10,
			units:   []Unit{running("a", host(5), priority(1), used(50*time.Minute)), running("b", host(5)), wanted("c", fresh, host(5), priority(1))},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"the longer idle goes first": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), used(40*time.Minute)), wanted("c", fresh, host(5))},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"the quicker start goes first": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), cost(5*time.Second)), wanted("c", fresh, host(5))},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"twice as long idle is no reason at three times the start": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), used(time.Hour), cost(30*time.Second)), wanted("c", fresh, host(5))},
			want:    Plan{Stop: []string{"a"}, Wake: in(age)},
		},
		"of busy ones the quicker start goes first": {
			budgets: host10,
			units:   []Unit{running("a", host(5), busy), running("b", host(5), busy, cost(5*time.Second)), wanted("c", aged, host(5))},
			want:    Plan{Drain: []string{"b"}, Wake: in(30 * time.Second)},
		},
		"idle ones go before busy ones": {
			budgets: host10,
			units:   []Unit{running("a", host(5), busy), running("b", host(5), used(fresh)), wanted("c", aged, host(5))},
			want:    Plan{Stop: []string{"b"}},
		},
		"one that is large enough goes alone": {
			budgets: host10,
			units:   []Unit{running("a", host(2), used(40*time.Minute)), running("b", host(8)), wanted("c", fresh, host(8))},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"its group's member goes, and nobody else if that is enough": {
			budgets: host10,
			units:   []Unit{running("a", host(5), used(50*time.Minute)), running("b", host(5), group), wanted("c", fresh, host(5), group)},
			want:    Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"its group's member goes, and another for the room": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), group), wanted("c", fresh, host(10), group)},
			want:    Plan{Stop: []string{"a", "b"}, Wake: in(age)},
		},
		"one that drains already goes on, rather than another that has become idle": {
			budgets: host10,
			units:   []Unit{running("a", host(5)), running("b", host(5), busy, draining(fresh)), wanted("c", aged, host(5))},
			want:    Plan{Wake: in(30*time.Second - fresh)},
		},

		"room that is being made is kept": {
			budgets: host10,
			units: []Unit{
				running("a", host(6), state(StateStopping)), wanted("b", 2*fresh, host(8)), wanted("c", fresh, host(4)),
			},
			want: Plan{Wake: in(time.Minute - 2*fresh)},
		},
		"who takes nothing of it goes ahead": {
			budgets: host10,
			units: []Unit{
				running("a", host(6), state(StateStopping)), wanted("b", 2*fresh, host(8)), wanted("c", fresh, host(2)),
			},
			want: Plan{Start: []string{"c"}, Wake: in(time.Minute - 2*fresh)},
		},
		"room that nobody can make is not kept for one that has not waited for long": {
			budgets: host10,
			units:   []Unit{running("a", host(6), busy), wanted("b", 2*fresh, host(8)), wanted("c", fresh, host(4))},
			want:    Plan{Start: []string{"c"}, Wake: in(time.Minute - 2*fresh)},
		},
		"it is kept for one that waited too long": {
			budgets: host10,
			units: []Unit{
				running("a", host(6), residency(61*time.Minute)), wanted("b", aged, host(8)), wanted("c", fresh, host(4)),
			},
			want: Plan{Wake: in(age)},
		},
		"nobody stops before all who must can": {
			budgets: host10,
			units:   []Unit{running("a", host(5), residency(61*time.Minute)), running("b", host(5)), wanted("c", aged, host(8))},
			want:    Plan{Wake: in(time.Minute)},
		},
		"nobody stops for another what is promised to one that waited too long": {
			budgets: host10,
			units: []Unit{
				running("a", host(5), residency(61*time.Minute)), running("b", host(5)),
				wanted("c", aged, host(8)), wanted("d", fresh, host(3)),
			},
			want: Plan{Wake: in(age)},
		},
		"room is promised of who can go sooner": {
			budgets: Budgets{HostMB: 12},
			units: []Unit{
				running("a", host(6), residency(61*time.Minute)), running("b", host(4), residency(time.Hour+time.Second)),
				wanted("c", aged, host(6)), wanted("d", fresh, host(2)),
			},
			want: Plan{Wake: in(time.Second)},
		},
		"of who starts that is not known": {
			budgets: Budgets{HostMB: 12},
			units: []Unit{
				running("a", host(6), state(StateStarting)), running("b", host(4), busy, residency(time.Hour+time.Second)),
				wanted("c", aged, host(6)), wanted("d", fresh, host(2)),
			},
			want: Plan{Wake: in(time.Second)},
		},
		"what this plan starts can be promised": {
			budgets: host10,
			units:   []Unit{wanted("a", aged+1, group, host(2)), wanted("b", aged, group, host(8)), wanted("c", fresh, host(4))},
			want:    Plan{Start: []string{"a"}, Wake: in(age)},
		},
		"room that is only promised is not there yet": {
			budgets: host10,
			units: []Unit{
				running("a", host(5), group, state(StateStarting)), running("b", host(3)), running("c", host(2)),
				wanted("d", aged, group, host(2)), wanted("e", fresh, host(4)),
			},
			want: Plan{Stop: []string{"b", "c"}, Wake: in(age)},
		},
		"it is not there for the next either": {
			budgets: host10,
			units: []Unit{
				running("a", host(5), group, state(StateStarting)), running("b", host(5)),
				wanted("d", aged, group, host(2)), wanted("e", fresh, host(3)),
			},
			want: Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"each has others stop for itself": {
			budgets: Budgets{HostMB: 14},
			units: []Unit{
				running("a", host(4), group, state(StateStarting)), running("b", host(6), used(40*time.Minute)), running("c", host(4)),
				wanted("d", aged, group), wanted("e", 2*fresh, host(6)), wanted("f", fresh, host(4)),
			},
			want: Plan{Stop: []string{"b", "c"}, Wake: in(time.Minute - 2*fresh)},
		},
		"what stops for one beside what is promised is not there for a third": {
			budgets: Budgets{HostMB: 14},
			units: []Unit{
				running("a", host(4), group, state(StateStarting)), running("b", host(4)),
				wanted("d", aged, group, host(8)), wanted("e", 2*fresh, host(4)), wanted("f", fresh, host(4)),
			},
			want: Plan{Stop: []string{"b"}, Wake: in(time.Minute - 2*fresh)},
		},
		"one whose victims must wait does not have others drain": {
			budgets: host10,
			units: []Unit{
				running("a", host(5), residency(61*time.Minute)), running("b", host(5), busy, draining(fresh)), wanted("c", aged, host(8)),
			},
			want: Plan{Admit: []string{"b"}, Wake: in(time.Minute)},
		},
		"each of two that waited too long has its own victims": {
			budgets: host10,
			units: []Unit{
				running("a", host(5), busy), running("b", host(5), busy), wanted("c", aged, host(5)), wanted("d", aged, host(5)),
			},
			want: Plan{Drain: []string{"a", "b"}, Wake: in(30 * time.Second)},
		},
		"the second of the group waits for its turn and keeps no room": {
			budgets: host10,
			units: []Unit{
				running("a", host(4), state(StateStopping)), wanted("b", aged+1, group, host(8)),
				wanted("c", aged, group, host(8)), wanted("d", fresh, host(2)),
			},
			want: Plan{Start: []string{"d"}, Wake: time.Time{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Now: noon, Budgets: c.budgets, MaxWait: time.Minute, Units: c.units}
			require.Equal(t, c.want, Decide(v))
		})
	}
}
