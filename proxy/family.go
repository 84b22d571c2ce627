package proxy

import (
	"slices"
	"strings"
	"sync"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// maxFamily bounds the models that a family keeps. One that is dropped is made again when it is
// asked for.
const maxFamily = 1024

// family is a route with a wildcard: the models of an upstream whose names match. Where the
// upstream lists its models, a name that is not on a fresh list is nobody's; before the first
// list, and while it is old because the upstream is away, every name that matches may be right.
type family struct {
	proxy *Proxy
	route Route
	pool  *pool

	mu   sync.Mutex
	made map[string]served
}

var _ models.Family = (*family)(nil)

// literal counts the characters of the pattern beside the wildcards.
func (f *family) literal() int { return len(f.route.Name) - strings.Count(f.route.Name, "*") }

// Find implements models.Family.
func (f *family) Find(name string) (models.Entry, bool) { return f.find(name, false) }

// find is Find; plain leaves the fallbacks out.
func (f *family) find(name string, plain bool) (models.Entry, bool) {
	if !f.matches(name) {
		return models.Entry{}, false
	}
	upstreamModel := f.upstreamModel(name)
	list := f.pool.listing.Load()
	found, known := list.find(upstreamModel, f.pool.opts.Type)
	if !known && list.fresh() {
		f.pool.askAgain()
		return models.Entry{}, false
	}
	e := models.Entry{Name: name, Tasks: f.tasks(found)}
	if slices.Contains(f.route.Aliases, name) {
		e.Aliases = []string{name}
	}
	made := f.make(name, upstreamModel)
	if e.Model = made.model; plain {
		e.Model = made.plain
	}
	return e, len(e.Tasks) > 0
}

func (f *family) matches(name string) bool {
	return wildcard.Match(f.route.Name, name) || wildcard.MatchAny(f.route.Aliases, name)
}

// tasks are the route's that the upstream says the model can do, or all if it says nothing.
func (f *family) tasks(m listed) []models.Task {
	if len(m.tasks) == 0 {
		return f.route.Tasks
	}
	var both []models.Task
	for _, t := range f.route.Tasks {
		if slices.Contains(m.tasks, t) {
			both = append(both, t)
		}
	}
	return both
}

// upstreamModel is the upstream's name of a model. A * in it stands for what the name's does.
func (f *family) upstreamModel(name string) string {
	switch to := f.route.UpstreamModel; {
	case to == "":
		return name
	case wildcard.Is(to):
		return moveStar(f.route.Name, to, name)
	default:
		return to
	}
}

// moveStar moves what the only * of one pattern stands for into another; a name that does not
// match stays as it is.
func moveStar(from, to, name string) string {
	if !wildcard.Match(from, name) {
		return name
	}
	head, tail, _ := strings.Cut(from, "*")
	return strings.Replace(to, "*", name[len(head):len(name)-len(tail)], 1)
}

// make returns the model of a name, the same one as before if it is still kept.
func (f *family) make(name, upstreamModel string) served {
	f.mu.Lock()
	defer f.mu.Unlock()
	made, ok := f.made[name]
	if ok {
		return made
	}
	if len(f.made) >= maxFamily {
		for old := range f.made {
			delete(f.made, old)
			break
		}
	}
	name = strings.Clone(name) // it may share memory with a request
	made = f.proxy.serve(f.route, name, strings.Clone(upstreamModel))
	f.made[name] = made
	return made
}

// show returns the model of a name without dropping another one for it.
func (f *family) show(name, upstreamModel string) served {
	f.mu.Lock()
	made, ok := f.made[name]
	full := len(f.made) >= maxFamily
	f.mu.Unlock()
	switch {
	case ok:
		return made
	case full:
		return f.proxy.serve(f.route, name, upstreamModel)
	}
	return f.make(name, upstreamModel)
}

// Known implements models.Family: what the upstream has listed, however long ago.
func (f *family) Known() []models.Entry {
	list := f.pool.listing.Load()
	if list == nil {
		return nil
	}
	var known []models.Entry
	for _, m := range list.models {
		name, ok := f.nameOf(m.name)
		if !ok {
			continue
		}
		if tasks := f.tasks(m); len(tasks) > 0 {
			known = append(known, models.Entry{Name: name, Tasks: tasks, Model: f.show(name, m.name).model})
		}
	}
	return known
}

// nameOf is the name under which an upstream's model is asked for here; false: under none, or
// under too many.
func (f *family) nameOf(listed string) (string, bool) {
	switch from := f.route.UpstreamModel; {
	case from == "":
		return listed, f.matches(listed)
	case wildcard.Is(from):
		return moveStar(from, f.route.Name, listed), wildcard.Match(from, listed)
	}
	return "", false
}
