package managed

// Apply takes over other settings, and returns when they hold. Containers whose Hash stays the same
// run on, under the new policy. The others are drained and stopped; those that have another Spec
// then start when they are asked for, or at once where they are pinned or preloaded.
func (s *Supervisor) Apply(o Settings) {
	s.do(func() {
		if !s.closing {
			s.apply(o)
		}
	})
}

func (s *Supervisor) apply(o Settings) {
	s.settings, s.limits = o, newLimits(o.Budgets)
	before := s.units
	s.units = make([]*unit, 0, len(o.Specs))
	configured := make(map[string]bool, len(o.Specs))
	for _, spec := range o.Specs {
		configured[spec.ID] = true
		u := s.byID[spec.ID]
		if u == nil {
			u = newUnit(spec)
			s.byID[spec.ID] = u
		} else {
			s.update(u, spec)
		}
		s.units = append(s.units, u)
	}
	for _, u := range before {
		if !configured[u.spec.ID] {
			s.units = append(s.units, u)
		}
	}
	for _, u := range before {
		if !configured[u.spec.ID] {
			s.dismissUnit(u)
		}
	}
	s.publishIndex()
}

// update gives a unit the spec that is configured now.
func (s *Supervisor) update(u *unit, spec Spec) {
	was := *u.configured()
	if spec.Preload && (!was.Preload || u.removed) {
		u.preload = true
	}
	if spec.Pinned && !was.Pinned {
		u.halted = false
	}
	u.removed = false
	hash := spec.Hash()
	switch {
	case hash == u.hash:
		checks := u.spec.CheckInterval != spec.CheckInterval
		u.spec, u.next = spec, nil
		if len(u.unloaders) == 0 {
			u.leaving = false
		}
		if checks && u.in(StateReady, StateDraining) {
			s.watchHealth(u)
		}
	case u.idle():
		s.renew(u, spec)
		u.preload = spec.Preload
		s.to(u, StateStopped, "its configuration has changed")
	default:
		u.next = &spec
		u.preload = spec.Preload
		s.goodbye(u)
	}
}

// dismissUnit drops a unit that is configured no more.
func (s *Supervisor) dismissUnit(u *unit) {
	u.removed, u.next = true, nil
	u.preload = false
	s.refuse(u, unknown(u.spec.ID))
	if u.idle() {
		s.forget(u)
		return
	}
	s.goodbye(u)
}

// goodbye has a unit stop once nothing is in flight; the policy does it. A pull is not its matter.
func (s *Supervisor) goodbye(u *unit) {
	u.leaving = true
	if u.state == StatePulling {
		s.stop(u)
	}
}
