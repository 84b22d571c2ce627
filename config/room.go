package config

import (
	"fmt"
	"slices"
)

// checkRoom wants every container to fit in the budgets, with those that are pinned.
func (l *loader) checkRoom(r Routing, all []unit) {
	host := func(m Managed) int { return m.MemoryMB }
	l.checkBudget(r, all, "memory_mb", containersPath+".memory_mb", r.Containers.MemoryMB, host)
	for i, g := range r.Containers.GPUs {
		onIt := func(m Managed) int {
			if devices := m.Devices(); slices.Contains(devices, g.ID) || slices.Contains(devices, allGPUs) {
				return m.GPUMemoryMB
			}
			return 0
		}
		l.checkBudget(r, all, "gpu_memory_mb", fmt.Sprintf("%s.gpus[%d].memory_mb", containersPath, i), g.MemoryMB, onIt)
	}
}

// checkBudget checks one budget, of which need says how much a container takes.
func (l *loader) checkBudget(r Routing, all []unit, key, budgetPath string, budget int, need func(Managed) int) {
	if budget == 0 || l.reported(budgetPath) {
		return
	}
	pinned, largest, fits := 0, unit{upstream: -1}, true
	for _, c := range all {
		m := r.Upstreams[c.upstream].Managed
		at := upstreamPath(c.upstream) + ".managed." + key
		if takes := need(m); takes > budget {
			if !l.reported(at) {
				l.report(at, "%d is more than %s, %d", takes, l.place(budgetPath, at), budget)
			}
			fits = false
		} else if m.Pinned {
			pinned += takes
		} else if largest.upstream < 0 || takes > need(r.Upstreams[largest.upstream].Managed) {
			largest = c
		}
	}
	switch {
	case !fits:
	case pinned > budget:
		l.report(budgetPath, "%d is less than what the pinned containers take together, %d", budget, pinned)
	case pinned > 0 && largest.upstream >= 0 && pinned+need(r.Upstreams[largest.upstream].Managed) > budget:
		l.report(budgetPath, "%d is less than what the pinned containers take together with %q, %d + %d, which could never start", budget, largest.name, pinned, need(r.Upstreams[largest.upstream].Managed))
	}
}

// checkGroups wants no member of a group to be pinned: the others could never run.
func (l *loader) checkGroups(r Routing, all []unit) {
	for i, c := range all {
		m := r.Upstreams[c.upstream].Managed
		if !m.Pinned || m.Group == "" {
			continue
		}
		other := slices.IndexFunc(all, func(o unit) bool {
			return o.name != c.name && r.Upstreams[o.upstream].Managed.Group == m.Group
		})
		at := upstreamPath(c.upstream) + ".managed.pinned"
		told := other >= 0 && other < i && r.Upstreams[all[other].upstream].Managed.Pinned
		if other >= 0 && !told && !l.reported(at) {
			l.report(at, "%q is pinned and of the group %q, so %q, which is of it too, could never run", c.name, m.Group, all[other].name)
		}
	}
}

// checkHostPorts wants a port for each container, but for those of which one runs at a time.
func (l *loader) checkHostPorts(r Routing, all []unit) {
	for i, c := range all {
		m := r.Upstreams[c.upstream].Managed
		if m.HostPort == 0 {
			continue
		}
		at := upstreamPath(c.upstream) + ".managed.host_port"
		other := slices.IndexFunc(all[:i], func(o unit) bool {
			u := r.Upstreams[o.upstream].Managed
			return u.HostPort == m.HostPort && (m.Group == "" || u.Group != m.Group)
		})
		if other >= 0 && !l.reported(at) {
			l.report(at, "%d is that of %q, too, and both may run at once: take another, 0 for any free one, or put them in one group", m.HostPort, all[other].name)
		}
	}
}
