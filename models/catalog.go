package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// DefaultAlias is the alias of the model that answers requests which name none.
const DefaultAlias = "default"

// Catalog finds entries by name or alias. Its content is replaced as a whole, so a reader
// always sees one consistent set; it is safe for use by many goroutines.
type Catalog struct {
	table atomic.Pointer[table]
}

type table struct {
	entries  []Entry
	byName   map[string]int
	families []Family
}

// Family stands for models whose names are not all known beforehand, such as those of an
// upstream that is routed to by a wildcard.
type Family interface {
	// Find returns the entry of a name, its own; ok is false for a name that is none of the
	// family's. It has the name as its alias, too, where the configuration gives it to the family.
	// It must not block on the network.
	Find(name string) (entry Entry, ok bool)
	// Known lists the entries that are known to exist now.
	Known() []Entry
}

// NewCatalog makes a catalog of entries; see Replace for its errors.
func NewCatalog(entries ...Entry) (*Catalog, error) {
	c := &Catalog{}
	return c, c.Replace(entries)
}

// Replace swaps the entries and leaves the families alone; see ReplaceAll.
func (c *Catalog) Replace(entries []Entry) error {
	var families []Family
	if t := c.table.Load(); t != nil {
		families = t.families
	}
	return c.ReplaceAll(entries, families)
}

// ReplaceAll swaps the content. A name that is no entry's is asked of the families in their
// order, so an entry always wins over a family. Names and aliases must be unique over all entries and not
// empty; all offenders are reported at once and the old content stays.
func (c *Catalog) ReplaceAll(entries []Entry, families []Family) error {
	t := &table{entries: append([]Entry(nil), entries...), byName: make(map[string]int, len(entries)), families: append([]Family(nil), families...)}
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

// Entries returns all entries in their configured order, without those of families.
func (c *Catalog) Entries() []Entry {
	if t := c.table.Load(); t != nil {
		return append([]Entry(nil), t.entries...)
	}
	return nil
}

// Listed returns all entries, and after them what the families know, each name once.
func (c *Catalog) Listed() []Entry {
	t := c.table.Load()
	if t == nil {
		return nil
	}
	list := append([]Entry(nil), t.entries...)
	seen := map[string]bool{}
	for _, family := range t.families {
		for _, e := range family.Known() {
			if _, taken := t.byName[e.Name]; taken || seen[e.Name] {
				continue
			}
			seen[e.Name] = true
			list = append(list, e)
		}
	}
	return list
}

// maxName bounds, in bytes, the names that families are asked for.
const maxName = 256

// plausible reports whether a family may be asked for a name. One that takes any name would make
// labels, headers and lines of a log of whatever a client sends.
func plausible(name string) bool {
	return len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// Lookup finds an entry by name or alias, or fails with KindNotFound.
func (c *Catalog) Lookup(name string) (Entry, error) {
	if t := c.table.Load(); t != nil {
		if i, ok := t.byName[name]; ok {
			return t.entries[i], nil
		}
		for _, family := range t.families {
			if !plausible(name) {
				break
			}
			if e, ok := family.Find(name); ok {
				return e, nil
			}
		}
	}
	return Entry{}, Errorf(KindNotFound, "no model is called %.100q; GET /v1/models lists those there are", name).At("model")
}

// Default finds the entry that is called "default". A family's counts if that is an alias of it:
// one that takes any name would take this one, too.
func (c *Catalog) Default() (Entry, bool) {
	t := c.table.Load()
	if t == nil {
		return Entry{}, false
	}
	if i, ok := t.byName[DefaultAlias]; ok {
		return t.entries[i], true
	}
	for _, family := range t.families {
		if e, ok := family.Find(DefaultAlias); ok && slices.Contains(e.Aliases, DefaultAlias) {
			return e, true
		}
	}
	return Entry{}, false
}

// Resolve is Lookup, except that an empty name stands for a default: the entry with the
// alias "default" if it does the task, else the first ready entry that does it, else the first
// that starts when it is asked, else the first that does it at all.
func (c *Catalog) Resolve(name string, task Task) (Entry, error) {
	if name != "" {
		return c.Lookup(name)
	}
	if e, ok := c.Default(); ok && e.Does(task) {
		return e, nil
	}
	list := slices.DeleteFunc(c.Listed(), func(e Entry) bool { return !e.Does(task) })
	if len(list) > 0 {
		return Preferred(list), nil
	}
	return Entry{}, Errorf(KindNotFound, "no model is named in the request, and none here does %s", task).At("model")
}

// Preferred returns the first entry that is ready, else the first that starts when it is asked, else
// the first. There must be one.
func Preferred(list []Entry) Entry {
	starts := -1
	for i, e := range list {
		status := e.Model.Status()
		if status.State == StateReady {
			return e
		}
		if starts < 0 && status.CanServe() {
			starts = i
		}
	}
	return list[max(0, starts)]
}
