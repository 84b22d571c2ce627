package main

import (
	"slices"
	"sync"

	"github.com/quadrate-maas/quadrate/models"
)

// content puts the catalog together: the local models, then what upstreams serve. Each part
// changes apart, and a reload changes both at once.
type content struct {
	catalog *models.Catalog

	mu  sync.Mutex
	now parts
}

type parts struct {
	local, routed []models.Entry
	families      []models.Family
}

// setLocal replaces the local models.
func (c *content) setLocal(entries []models.Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replace(parts{entries, c.now.routed, c.now.families})
}

// set replaces everything.
func (c *content) set(p parts) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replace(p)
}

// snapshot returns what is there, for set to bring back.
func (c *content) snapshot() parts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// replace is all or nothing: a name that two models claim leaves everything as it is.
func (c *content) replace(p parts) error {
	if err := c.catalog.ReplaceAll(slices.Concat(p.local, p.routed), p.families); err != nil {
		return err
	}
	c.now = p
	return nil
}

// findLocal finds a local model by its name or an alias.
func (c *content) findLocal(name string) (models.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.now.local {
		if e.Called(name) {
			return e, nil
		}
	}
	return models.Entry{}, models.Errorf(models.KindNotFound, "no local model is called %q", name)
}
