package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// visit is an upstream at one address: what is sent goes there once, past the pool's queue, and
// changes nothing of its state.
type visit struct {
	// pool has the upstream's options and its own state; its loops do not run.
	*pool
	endpoint *endpoint
}

var _ backend = visit{}

// send implements sender.
func (v visit) send(ctx context.Context, r *request) error {
	return v.attempt(ctx, v.endpoint, r, 1, v.opts.Timeout).err
}

// visit begins a visit; its endpoint is to be left by closeIdle.
func (p *Proxy) visit(upstream, address string) (visit, error) {
	known := p.pool(upstream)
	if known == nil {
		// Not KindNotFound: it may be of a configuration that is not in force yet.
		return visit{}, models.Errorf(models.KindUnavailable, "no upstream is called %.100q", upstream)
	}
	own := &pool{opts: known.opts, dialect: known.dialect, seams: known.seams, header: known.header, secrets: known.secrets,
		locate: func() (string, bool) { return address, true }}
	if told := known.hooks.Attempt; told != nil {
		own.hooks.Attempt = func(a Attempt) {
			a.Op = string(opProbe)
			told(a)
		}
	}
	base := managedURL(upstream)
	e := &endpoint{url: base.String(), base: base}
	e.rt = located{own.seams.transport(own.opts, nil, e.url, ""), own.locate}
	own.endpoints = []*endpoint{e}
	return visit{own, e}, nil
}

// Health asks a server at an address, host:port, whether it is healthy, as an upstream's servers
// are asked, once and by HTTP without TLS, and past the upstream's queue and state. It takes at most
// 10 seconds. A type that has no question for it (jina) is asked for GET /v1/models, as whoever
// forwards a port may accept connections before a server listens. An answer that refuses the
// question, such as 404, is one of a healthy server. Its error is a *models.Error.
func (p *Proxy) Health(ctx context.Context, upstream, address string) error {
	v, err := p.visit(upstream, address)
	if err != nil {
		return err
	}
	defer v.endpoint.closeIdle()
	return v.health(ctx)
}

func (v visit) health(ctx context.Context) error {
	ask := v.dialect.probe()
	if ask == nil {
		ask = get("/v1/models")
	}
	err := v.direct(ctx, v.endpoint, ask, probeTime)
	if ctx.Err() == nil && models.KindOf(err) == models.KindDeadline {
		return v.errorf(models.KindUpstream, "no answer to GET %s within %s", ask.path, probeTime).Because(err)
	}
	return err
}

// Try sends a server at an address, host:port, one request as a client's would be: a short text to
// embed, rerank or classify, for a model and a task of the routes to the upstream, as far as the
// server's own list says that the model does it. It is sent by HTTP without TLS, past the
// upstream's queue and state, and takes at most the upstream's timeout; the answer is checked as
// any. Where the server does not list what its model does, and refuses one task, it is asked for
// the next. Where no route leads to the upstream, it is Health. Its error is a *models.Error, that
// of the last request.
func (p *Proxy) Try(ctx context.Context, upstream, address string) error {
	v, err := p.visit(upstream, address)
	if err != nil {
		return err
	}
	defer v.endpoint.closeIdle()
	routes := p.routesTo(upstream)
	if len(routes) == 0 {
		return v.health(ctx)
	}
	v.list(ctx)
	for _, t := range v.trials(routes) {
		if err = t.ask(ctx); !refused(err) {
			return err
		}
	}
	return err
}

// routesTo are the routes without wildcards to an upstream, those that it is only a fallback of last.
func (p *Proxy) routesTo(upstream string) []Route {
	var first, last []Route
	for _, r := range p.opts.Routes {
		switch {
		case wildcard.Is(r.Name):
		case r.Upstream == upstream:
			first = append(first, r)
		case slices.Contains(r.Fallback, upstream):
			last = append(last, r)
		}
	}
	return append(first, last...)
}

// trial is a task that a model is tried with.
type trial struct {
	model *model
	task  models.Task
}

// trials are those that the routes are for, each task of each of the server's models once; of a model
// whose tasks the server lists, only those, unless none would be left.
func (v visit) trials(routes []Route) []trial {
	var all, able []trial
	for _, r := range routes {
		upstreamModel := cmp.Or(r.UpstreamModel, r.Name)
		m := newModel(modelSpec{name: r.Name, upstreamModel: upstreamModel, route: r, upstream: v.opts, dialect: v.dialect, backend: v})
		list, _ := v.model(upstreamModel)
		for _, task := range r.Tasks {
			if task == models.TaskRerank && r.CosineRerank {
				task = models.TaskEmbed
			}
			if slices.ContainsFunc(all, func(t trial) bool { return t.task == task && t.model.upstreamModel == upstreamModel }) {
				continue
			}
			all = append(all, trial{m, task})
			if len(list.tasks) == 0 || slices.Contains(list.tasks, task) {
				able = append(able, trial{m, task})
			}
		}
	}
	if len(able) == 0 {
		return all
	}
	return able
}

// trialText is what a model is tried with.
const trialText = "ready"

// ask sends the trial's request.
func (t trial) ask(ctx context.Context) (err error) {
	switch t.task {
	case models.TaskEmbed:
		_, err = t.model.Embed(ctx, models.EmbedRequest{Inputs: []models.Input{{Text: trialText}}})
	case models.TaskRerank:
		_, err = t.model.Rerank(ctx, models.RerankRequest{Query: trialText, Documents: []string{trialText}})
	case models.TaskClassify:
		_, err = t.model.Classify(ctx, models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: trialText}}})
	}
	return err
}

// refused reports whether a server has refused a task, and may do another.
func refused(err error) bool {
	var e *models.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case models.KindInvalid, models.KindNotFound, models.KindUnsupportedTask:
		return true
	}
	return false
}
