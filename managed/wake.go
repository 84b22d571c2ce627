package managed

import "time"

// plan writes down what was decided.
func (d *decision) plan() Plan {
	p := Plan{Wake: d.wake()}
	for _, i := range d.starts {
		p.Start = append(p.Start, d.Units[i].ID)
	}
	for i, a := range d.actions {
		switch id := d.Units[i].ID; a {
		case toDrain:
			p.Drain = append(p.Drain, id)
		case toStop:
			p.Stop = append(p.Stop, id)
		case toAdmit:
			p.Admit = append(p.Admit, id)
		case nothing:
		}
	}
	return p
}

// wake is the earliest time ahead at which the plan could be another by time alone.
func (d *decision) wake() time.Time {
	var a alarm
	for i := range d.Units {
		d.wakeFor(&a, i)
	}
	for _, c := range d.waiting {
		if !c.aged {
			a.at(d.Now, c.since.Add(d.MaxWait))
		}
	}
	return a.time
}

// wakeFor sets a for what time does to unit i, as it will be when the plan is carried out.
func (d *decision) wakeFor(a *alarm, i int) {
	u := &d.Units[i]
	switch {
	case u.State == StateFailed && u.wants():
		a.at(d.Now, u.RetryAt)
	case !u.serves() || d.actions[i] == toStop:
	case d.actions[i] == toDrain:
		a.at(d.Now, d.Now.Add(u.DrainTimeout))
	case d.soon.out[i]:
		a.at(d.Now, u.drainLimit())
	default:
		if u.idle() && !u.Pinned {
			a.at(d.Now, u.idleSince().Add(u.IdleTTL))
		}
		if len(d.waiting) > 0 && !u.Pinned {
			a.at(d.Now, u.residentUntil())
		}
	}
}

// alarm is the earliest of some times.
type alarm struct{ time time.Time }

// at sets it for t, unless that has passed.
func (a *alarm) at(now, t time.Time) {
	if t.After(now) && (a.time.IsZero() || t.Before(a.time)) {
		a.time = t
	}
}
