package managed

import (
	"maps"
	"slices"
)

// demand is what a unit takes of the budgets while it holds its memory.
type demand struct {
	group   string
	host    int
	gpu     int
	devices []int // indices in ledger.gpus, each once
}

// ledger is what a set of units takes together.
type ledger struct {
	limits *limits
	host   int
	gpus   []int
	groups map[string]int // members of each group; nobody is of the empty one
}

// limits are Budgets with the GPUs in a fixed order.
type limits struct {
	host int
	gpus []int
	at   map[string]int
}

func newLimits(b Budgets) *limits {
	l := &limits{host: b.HostMB, at: make(map[string]int, len(b.GPUs))}
	for i, name := range slices.Sorted(maps.Keys(b.GPUs)) {
		l.gpus = append(l.gpus, b.GPUs[name])
		l.at[name] = i
	}
	return l
}

// demand leaves out the GPUs that nothing bounds.
func (l *limits) demand(u *Unit) demand {
	d := demand{group: u.Group, host: u.MemoryMB, gpu: u.GPUMemoryMB}
	if d.gpu <= 0 {
		return d
	}
	for _, name := range u.GPUs {
		if name == AllGPUs {
			d.devices = d.devices[:0]
			for i := range l.gpus {
				d.devices = append(d.devices, i)
			}
			return d
		}
		if i, ok := l.at[name]; ok && !slices.Contains(d.devices, i) {
			d.devices = append(d.devices, i)
		}
	}
	return d
}

func newLedger(l *limits) ledger {
	return ledger{limits: l, gpus: make([]int, len(l.gpus)), groups: map[string]int{}}
}

func (l *ledger) clone() ledger {
	c := *l
	c.gpus = slices.Clone(l.gpus)
	c.groups = maps.Clone(l.groups)
	return c
}

func (l *ledger) add(d demand)    { l.count(d, 1) }
func (l *ledger) remove(d demand) { l.count(d, -1) }

func (l *ledger) count(d demand, sign int) {
	l.host += sign * d.host
	for _, i := range d.devices {
		l.gpus[i] += sign * d.gpu
	}
	if d.group != "" {
		l.groups[d.group] += sign
	}
}

// fits reports whether d may be added. A budget that d takes nothing of does not matter, though it
// be exceeded.
func (l *ledger) fits(d demand) bool {
	if l.groups[d.group] > 0 {
		return false
	}
	if d.host > 0 && l.limits.host > 0 && l.host+d.host > l.limits.host {
		return false
	}
	for _, i := range d.devices {
		if l.gpus[i]+d.gpu > l.limits.gpus[i] {
			return false
		}
	}
	return true
}
