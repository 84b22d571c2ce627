package models

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// DefaultAlias is the alias of the model that answers requests which name none.
const DefaultAlias = "default"

// Catalog finds entries by name or alias. Its content is replaced as a whole, so a reader
// always sees one consistent set; it is safe for use by many goroutines.
type Catalog struct {
	table atomic.Pointer[table]
}

type table struct {
	entries []Entry
	byName  map[string]int
}

// NewCatalog makes a catalog of entries; see Replace for its errors.
func NewCatalog(entries ...Entry) (*Catalog, error) {
	c := &Catalog{}
	return c, c.Replace(entries)
}

// Replace swaps the content. Names and aliases must be unique over all entries and not
// empty; all offenders are reported at once and the old content stays.
func (c *Catalog) Replace(entries []Entry) error {
	t := &table{entries: append([]Entry(nil), entries...), byName: make(map[string]int, len(entries))}
	var problems []error
	for i, e := range t.entries {
		for _, name := range append([]string{e.Name}, e.Aliases...) {
			if name == "" {
				problems = append(problems, fmt.Errorf("model %d (%q): empty name or alias", i, e.Name))
				continue
			}
			if j, taken := t.byName[name]; taken {
				problems = append(problems, fmt.Errorf("name %q is used by both %q and %q", name, t.entries[j].Name, e.Name))
				continue
			}
			t.byName[name] = i
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	c.table.Store(t)
	return nil
}

// Entries returns all entries in their configured order.
func (c *Catalog) Entries() []Entry {
	if t := c.table.Load(); t != nil {
		return append([]Entry(nil), t.entries...)
	}
	return nil
}

// Lookup finds an entry by name or alias, or fails with KindNotFound.
func (c *Catalog) Lookup(name string) (Entry, error) {
	if t := c.table.Load(); t != nil {
		if i, ok := t.byName[name]; ok {
			return t.entries[i], nil
		}
	}
	return Entry{}, Errorf(KindNotFound, "no model is called %.100q; GET /v1/models lists those there are", name).At("model")
}

// Resolve is Lookup, except that an empty name stands for a default: the entry with the
// alias "default" if it does the task, else the first ready entry that does it, else the
// first that does it at all.
func (c *Catalog) Resolve(name string, task Task) (Entry, error) {
	if name != "" {
		return c.Lookup(name)
	}
	if e, err := c.Lookup(DefaultAlias); err == nil && e.Does(task) {
		return e, nil
	}
	var found *Entry
	for _, e := range c.Entries() {
		if !e.Does(task) {
			continue
		}
		if e.Model.Status().State == StateReady {
			return e, nil
		}
		if found == nil {
			found = &e
		}
	}
	if found != nil {
		return *found, nil
	}
	return Entry{}, Errorf(KindNotFound, "no model is named in the request, and none here does %s", task).At("model")
}
