package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// measurement is one model under one workload, on one server or on two in turns.
type measurement struct {
	workload   workload.Workload
	dialect    dialect
	background *dialect
	sides      []*side
}

// side is one server's part. Rounds and behind grow by one a round.
type side struct {
	server     *server
	model      model
	load       *load
	background *load
	rounds     []*stats
	behind     []*stats // of the workload's background
	sides      []*serverSide
	climb      *climb // of a ramp
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if err := writable(o.out); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	servers, err := connect(ctx, o)
	if err != nil {
		return err
	}
	for _, s := range servers {
		defer s.client.close()
	}
	rep := newReport(o, servers)
	if err := rep.fill(ctx, servers, stdout, stderr); err != nil {
		return err
	}
	rep.Interrupted = ctx.Err() != nil
	rep.print(stdout, o.gobench)
	if err := rep.save(o.out, stdout); err != nil {
		return err
	}
	return rep.verdict()
}

// fill measures what the options ask for.
func (r *report) fill(ctx context.Context, servers []*server, stdout, stderr io.Writer) error {
	if r.options.soak > 0 {
		r.printHeader(stdout)
		var err error
		r.Soak, err = runSoak(ctx, r.options, servers[0], stderr)
		return err
	}
	plan, skipped, err := plan(r.options, servers)
	if err != nil {
		return err
	}
	r.printHeader(stdout)
	for _, s := range skipped {
		fmt.Fprintln(stdout, "skipped:", s)
	}
	return measureAll(ctx, r.options, plan, r, stderr)
}

func measureAll(ctx context.Context, o options, plan []*measurement, rep *report, stderr io.Writer) error {
	bar := newProgress(stderr, planned(o, plan))
	defer bar.close()
	for _, m := range plan {
		if ctx.Err() != nil {
			break
		}
		take := m.measure
		if m.workload.Ramp {
			take = m.climb
		}
		if err := take(ctx, o, bar); err != nil {
			return err
		}
		rep.add(m)
	}
	return nil
}

// expectedSteps is how many rates a ramp is likely to take, for the progress bar.
const expectedSteps = 12

func planned(o options, plan []*measurement) (sum time.Duration) {
	for _, m := range plan {
		rounds := o.rounds
		if m.workload.Ramp {
			rounds = expectedSteps
		}
		sum += time.Duration(rounds*len(m.sides)) * (o.warmup + o.duration)
	}
	return sum
}

func connect(ctx context.Context, o options) ([]*server, error) {
	urls := []string{o.url}
	if o.vs != "" {
		urls = append(urls, o.vs)
	}
	servers := make([]*server, len(urls))
	for i, url := range urls {
		connections := o.concurrency + 1 // one for the background
		if o.rate > 0 || o.ramps() {
			connections = o.inFlight + 1
		}
		c := newClient(url, o.key, o.timeout, connections)
		c.cache = o.cache
		var err error
		servers[i], err = discover(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
	}
	return servers, nil
}

// plan pairs models with workloads. With -all, what does not fit is skipped and said; a model
// that is asked for by name must fit.
func plan(o options, servers []*server) (plan []*measurement, skipped []string, err error) {
	models := servers[0].models
	if !o.all {
		m, err := servers[0].find(o.model)
		if err != nil {
			return nil, nil, err
		}
		models = []model{m}
	}
	for _, m := range models {
		if o.all && !m.serves() {
			skipped = append(skipped, fmt.Sprintf("%s: it is %s", m.name, m.state))
			continue
		}
		names := o.workloads
		if len(names) == 0 {
			names = []string{map[workload.Task]string{workload.Embed: "W3", workload.Rerank: "W1"}[m.task()]}
		}
		for _, name := range names {
			measurement, err := newMeasurement(o, servers, m, name)
			switch {
			case err == nil:
				plan = append(plan, measurement)
			case o.all:
				skipped = append(skipped, err.Error())
			default:
				return nil, nil, err
			}
		}
	}
	if len(plan) == 0 {
		return nil, nil, errors.Join(errors.New("there is nothing to measure"), joined(skipped))
	}
	return plan, skipped, nil
}

func joined(lines []string) error {
	var errs []error
	for _, l := range lines {
		errs = append(errs, errors.New(l))
	}
	return errors.Join(errs...)
}

func newMeasurement(o options, servers []*server, m model, name string) (*measurement, error) {
	sides := []*side{{server: servers[0], model: m}}
	if len(servers) > 1 {
		var other model
		var err error
		if o.vsModel != "" {
			other, err = servers[1].find(o.vsModel)
		} else {
			other, err = servers[1].match(m)
		}
		if err != nil {
			return nil, err
		}
		sides = append(sides, &side{server: servers[1], model: other})
	}
	w, err := workload.For(name, workload.Shape{Documents: o.documents, Tokens: o.tokens, Max: longest(o, sides), RerankOnly: !m.can(workload.Embed)})
	if err != nil {
		return nil, err
	}
	out := &measurement{workload: w, sides: sides}
	if out.dialect, err = dialectFor(o.dialect, w.Task); err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	if w.Background != nil {
		d, err := dialectFor(o.dialect, w.Background.Task)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		out.background = &d
	}
	for _, s := range sides {
		if err := s.bind(out, o.seed); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *side) bind(m *measurement, seed uint64) error {
	if !s.model.can(m.workload.Task) {
		return fmt.Errorf("%s on %s does not %s, which %s needs", s.model.name, s.server.URL, m.workload.Task, m.workload.Name)
	}
	s.load = s.server.client.load(m.workload, m.dialect, s.model.name, seed)
	if m.background == nil {
		return nil
	}
	reranker, found := s.reranker()
	if !found {
		return fmt.Errorf("%s needs a model that reranks in the background: %s lists none", m.workload.Name, s.server.URL)
	}
	s.background = s.server.client.load(*m.workload.Background, *m.background, reranker.name, seed)
	return nil
}

// reranker is the side's own model where it can, else the server's first that can.
func (s *side) reranker() (model, bool) {
	for _, m := range append([]model{s.model}, s.server.models...) {
		if m.can(workload.Rerank) && m.serves() {
			return m, true
		}
	}
	return model{}, false
}

// longest is the limit that texts keep, the same on both sides.
func longest(o options, sides []*side) int {
	limit := o.maxTokens
	if limit == 0 {
		limit = workload.MixedClip
	}
	for _, s := range sides {
		if s.model.maxLength > 0 {
			limit = min(limit, s.model.maxLength)
		}
	}
	return limit
}

// warmupCalls is where the numbers of unmeasured calls begin, apart from all others.
const warmupCalls = 1 << 63

// measure runs the rounds. Two servers get the same calls in each and take turns in going
// first, so that a machine that drifts slows both alike.
func (m *measurement) measure(ctx context.Context, o options, bar *progress) error {
	for round := range o.rounds {
		for k := range m.sides {
			s := m.sides[(k+round)%len(m.sides)]
			done := bar.stage(m, s, fmt.Sprintf("round %d of %d", round+1, o.rounds), o.warmup+o.duration)
			err := s.round(ctx, o, uint64(round)<<32)
			done()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// round does nothing once the context has ended: that is the user's wish, not an error.
func (s *side) round(ctx context.Context, o options, first uint64) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // see above
	}
	if err := s.warm(ctx, o, first); err != nil || ctx.Err() != nil {
		return err
	}
	front, err := s.observed(ctx, o.phase(o.rate, first))
	if err != nil {
		return err
	}
	s.rounds = append(s.rounds, front)
	return nil
}

// phase is one stretch of load as the flags say, at a rate, or in a closed loop when that is 0.
func (o *options) phase(rate float64, first uint64) phase {
	return phase{duration: o.duration, concurrency: o.concurrency, rate: rate, inFlight: o.inFlight, seed: o.seed, first: first}
}

// warm puts unmeasured load on the server.
func (s *side) warm(ctx context.Context, o options, first uint64) error {
	if o.warmup == 0 {
		return nil
	}
	p := o.phase(o.rate, first+warmupCalls)
	p.duration = o.warmup
	_, err := p.run(ctx, *s.load)
	return err
}

// observed runs a phase between two readings of the server's counters.
func (s *side) observed(ctx context.Context, p phase) (*stats, error) {
	before := s.server.client.readMetrics(ctx)
	front, back, err := p.withBackground(ctx, *s.load, s.background)
	if err != nil {
		return nil, err
	}
	if back != nil {
		s.behind = append(s.behind, back)
	}
	// After an interrupt too: the reading belongs to what was measured so far.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if seen := between(before, s.server.client.readMetrics(after), s.model.name); seen != nil {
		s.sides = append(s.sides, seen)
	}
	return front, nil
}
