package ratelimit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
)

// maxLimit bounds every limit, so that the arithmetic of usage cannot overflow.
const maxLimit = 1_000_000_000

// What Exceeded.Setting names.
const (
	requestsSetting    = "requests_per_minute"
	tokensSetting      = "tokens_per_minute"
	concurrencySetting = "concurrency"
)

// table is Options' classes, compiled. It never changes.
type table struct {
	classes  map[string]*class
	replicas int
}

type class struct {
	own   *scope // nil: no limits
	rules []rule
}

type rule struct {
	patterns []string
	scope    *scope
}

// scope is what counts together for one caller: a class's own limits, or a rule's.
type scope struct {
	// id names it: counts belong to it and a caller's name, and outlive a change of the limits.
	id     string
	class  string
	bounds bounds
}

// scope is what a model counts towards; nil: nothing.
func (t *table) scope(name, model string) *scope {
	c := t.classes[name]
	if name == "" || c == nil {
		return nil
	}
	for _, r := range c.rules {
		if wildcard.MatchAny(r.patterns, model) {
			return r.scope
		}
	}
	return c.own
}

func compile(o Options) (*table, error) {
	t := &table{classes: map[string]*class{}, replicas: o.Replicas}
	var problems []error
	if o.Replicas < 0 {
		problems = append(problems, fmt.Errorf("rate limits: replicas: %d is negative", o.Replicas))
	}
	for i, c := range o.Classes {
		where := fmt.Sprintf("rate limits: class %d (%q)", i+1, c.Name)
		if c.Name == "" {
			problems = append(problems, fmt.Errorf("%s: name: it is empty", where))
		} else if t.classes[c.Name] != nil {
			problems = append(problems, fmt.Errorf("%s: name: another class has it, too", where))
		}
		problems = append(problems, c.validate(where)...)
		made := &class{own: newScope(c.Name, nil, c.Limits)}
		for k, r := range c.Rules {
			where := fmt.Sprintf("%s: models %d", where, k+1)
			if len(r.Models) == 0 || slices.Contains(r.Models, "") {
				problems = append(problems, fmt.Errorf("%s: a pattern is missing; * stands for any name", where))
			}
			problems = append(problems, r.validate(where)...)
			made.rules = append(made.rules, rule{slices.Clone(r.Models), newScope(c.Name, r.Models, r.Limits)})
		}
		t.classes[c.Name] = made
	}
	return t, errors.Join(problems...)
}

func (l Limits) validate(where string) (problems []error) {
	for _, s := range []struct {
		name  string
		value int
	}{
		{requestsSetting, l.RequestsPerMinute}, {tokensSetting, l.TokensPerMinute},
		{"burst", l.Burst}, {concurrencySetting, l.Concurrency},
	} {
		if s.value < 0 || s.value > maxLimit {
			problems = append(problems, fmt.Errorf("%s: %s: %d is not from 0, which is no limit, to %d", where, s.name, s.value, maxLimit))
		}
	}
	if l.Burst > 0 && l.RequestsPerMinute == 0 {
		problems = append(problems, fmt.Errorf("%s: burst: %d has no meaning without requests_per_minute", where, l.Burst))
	}
	return problems
}

// newScope returns nil where there is nothing to count.
func newScope(class string, patterns []string, l Limits) *scope {
	if l.RequestsPerMinute == 0 && l.TokensPerMinute == 0 && l.Concurrency == 0 {
		return nil
	}
	b := bounds{requests: int64(l.RequestsPerMinute), burst: int64(l.Burst), tokens: int64(l.TokensPerMinute),
		largest: int64(l.TokensPerMinute), concurrency: int64(l.Concurrency)}
	if b.requests > 0 && b.burst == 0 {
		b.burst = max(b.requests/6, 1)
	}
	return &scope{id: class + "\x00" + strings.Join(patterns, "\x00"), class: class, bounds: b}
}

// exceeded is the error of a request that was refused.
func (s *scope) exceeded(r refusal, state State) *Exceeded {
	limit := map[string]int64{requestsSetting: s.bounds.requests, tokensSetting: s.bounds.tokens, concurrencySetting: s.bounds.concurrency}[r.setting]
	return &Exceeded{Setting: r.setting, Class: s.class, Limit: int(limit), RetryAfter: duration(r.wait), State: state}
}
