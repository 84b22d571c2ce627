package managed

// Published is what is shown of a unit, which is another after each decision.
func (s *Supervisor) Published(id string) any { return s.index.Load().byID[id].shown.Load() }
