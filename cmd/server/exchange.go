package main

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
)

// exchange is a new list of local models that is not in force yet.
type exchange struct {
	list []*local
	// opened are those that were loaded for it, retired those that it has no more use for.
	opened, retired []*local
}

// names are those of the models that were loaded, and of those that are gone. One that is optional
// and absent was not loaded.
func (x *exchange) names() (loaded, removed []string) {
	for _, m := range x.opened {
		if m.model != nil {
			loaded = append(loaded, m.spec.Name)
		}
	}
	for _, m := range x.retired {
		if !slices.Contains(loaded, m.spec.Name) {
			removed = append(removed, m.spec.Name)
		}
	}
	return loaded, removed
}

// prepare makes the list that specs describe. Models whose spec is unchanged are taken over;
// the others are loaded beside those that serve, so that no request is without a model. When
// one cannot be loaded, those that were are closed again and everything stays as it is.
func (l *locals) prepare(ctx context.Context, specs []models.Spec) (*exchange, error) {
	l.mu.Lock()
	before := slices.Clone(l.list)
	l.mu.Unlock()
	x := &exchange{}
	for _, spec := range specs {
		i := slices.IndexFunc(before, func(m *local) bool { return reflect.DeepEqual(m.spec, spec) })
		if i >= 0 {
			x.list = append(x.list, before[i])
			before = slices.Delete(before, i, i+1)
			continue
		}
		m := newLocal(spec, models.StateLoading, "it is being loaded")
		if err := l.open(ctx, m); err != nil {
			return nil, errors.Join(l.lost(err), l.closeAll(x.opened))
		}
		x.list, x.opened = append(x.list, m), append(x.opened, m)
	}
	x.retired = before
	return x, nil
}

// lost ends the program where a load has left a device broken or native code running.
func (l *locals) lost(err error) error {
	if errors.Is(err, errRestart) {
		l.end(err)
	}
	return err
}

// commit puts the list in force, unless show, which puts its entries into the catalog, fails; the
// models that it retires may still be used by requests. A model that shows its progress at the
// same moment does so before or after both.
func (l *locals) commit(x *exchange, show func(entries []models.Entry) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := show(entriesOf(x.list)); err != nil {
		return err
	}
	l.list = x.list
	_, removed := x.names()
	for _, name := range removed {
		l.metrics.DropProvider(name)
	}
	return nil
}

// closeAll closes models that no request uses any more.
func (l *locals) closeAll(list []*local) error {
	var problems []error
	for _, m := range list {
		if m.model == nil {
			continue
		}
		if err := m.model.Close(); err != nil {
			problems = append(problems, err)
			if errors.Is(err, inference.ErrLost) {
				l.end(errors.Join(errRestart, err))
			}
		}
	}
	return errors.Join(problems...)
}

// find returns the model of a name or an alias, and what stands for it in the catalog.
func (l *locals) find(name string) (*local, models.Model, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.list {
		if m.entry.Called(name) {
			return m, m.entry.Model, nil
		}
	}
	return nil, nil, models.Errorf(models.KindNotFound, "no local model is called %.100q; models of upstreams are loaded by their upstreams", name).At("model")
}

// place puts a model, or what stands for one, into an entry.
func (l *locals) place(m *local, loaded inference.Model, shown models.Model) error {
	l.mu.Lock()
	m.model, m.entry.Model = loaded, shown
	l.mu.Unlock()
	return l.show()
}

const unloadedReason = "it was unloaded by hand; POST /admin/models/{id}/load brings it back"

// unload takes a model out of service. What it returns is to be closed once no request uses it.
func (l *locals) unload(name string) (*local, error) {
	m, shown, err := l.find(name)
	if err != nil {
		return nil, err
	}
	if m.model == nil {
		return nil, models.Errorf(models.KindInvalid, "model %q is not loaded: it is %s", m.spec.Name, shown.Status().State).At("model")
	}
	retired := &local{spec: m.spec, model: m.model}
	l.metrics.DropProvider(m.spec.Name)
	return retired, l.place(m, nil, models.Placeholder{State: models.StateUnloaded, Reason: unloadedReason})
}

// reload loads a model that is not loaded.
func (l *locals) reload(ctx context.Context, name string) error {
	m, shown, err := l.find(name)
	if err != nil || m.model != nil {
		return err
	}
	if err := l.place(m, nil, models.Placeholder{State: models.StateLoading, Reason: "it is being loaded"}); err != nil {
		return err
	}
	if err := l.open(ctx, m); err != nil {
		return errors.Join(l.lost(err), l.place(m, nil, shown))
	}
	return l.show()
}
