package models

// Placeholder stands for a model that does not serve (yet): it is being loaded, its files are
// absent, or this build cannot run it. It can do nothing but say so.
type Placeholder struct {
	State  State
	Reason string
}

var _ Model = Placeholder{}

// Info implements Model; nothing is known.
func (p Placeholder) Info() Info { return Info{} }

// Status implements Model.
func (p Placeholder) Status() Status { return Status{State: p.State, Reason: p.Reason} }
