package metrics

import (
	"sync"
	"unicode/utf8"
)

// defaultNames is how many values a label may have that is not listed in the configuration.
const defaultNames = 1000

// otherNames is the value of a label for all that come too late.
const otherNames = "other"

// bounded keeps a label to so many values: those that come first. A wildcard in the
// configuration may stand for any number of models, and each would have series of its own.
type bounded struct {
	limit int
	mu    sync.RWMutex
	names map[string]struct{}
}

func newBounded(limit int) *bounded { return &bounded{limit: limit, names: map[string]struct{}{}} }

// maxLabel bounds the bytes of a value.
const maxLabel = 512

// label is name, or otherNames. The empty name is always itself. What is not UTF-8 would make
// Prometheus' client panic.
func (b *bounded) label(name string) string {
	switch {
	case name == "":
		return name
	case len(name) > maxLabel || !utf8.ValidString(name):
		return otherNames
	}
	b.mu.RLock()
	_, known := b.names[name]
	full := len(b.names) >= b.limit
	b.mu.RUnlock()
	switch {
	case known:
		return name
	case full:
		return otherNames
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.names[name]; !known && len(b.names) >= b.limit {
		return otherNames
	}
	b.names[name] = struct{}{}
	return name
}
