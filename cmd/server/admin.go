package main

import (
	"context"
	"net/url"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy"
)

// admin lets API keys that may do so work on the gateway.
type admin struct{ gateway *gateway }

var _ api.Admin = admin{}

func (a admin) Reload(ctx context.Context) (any, error) { return a.gateway.reload(ctx) }

func (a admin) Load(ctx context.Context, model string) error {
	if container, ok := a.container(model); ok && ctx.Err() == nil {
		return container.Load(ctx)
	}
	return a.gateway.loadAgain(ctx, model)
}

func (a admin) Unload(ctx context.Context, model string) error {
	if container, ok := a.container(model); ok && ctx.Err() == nil {
		return container.Unload(ctx)
	}
	return a.gateway.unload(ctx, model)
}

func (a admin) Logs(ctx context.Context, model string, lines int) (string, error) {
	if container, ok := a.container(model); ok {
		return container.Logs(ctx, lines)
	}
	return "", models.Errorf(models.KindInvalid, "model %q has no log: this server does not run it in a container", model).At("model")
}

// container is what starts and stops a model that runs in one.
func (a admin) container(model string) (models.Lifecycle, bool) {
	entry, err := a.gateway.content.catalog.Lookup(model)
	if err != nil {
		return nil, false
	}
	return entry.Lifecycle()
}

func (a admin) LastReload() *api.Reload {
	last := a.gateway.last.Load()
	if last == nil {
		return nil
	}
	return &last.Reload
}

func (a admin) Upstreams() []api.Upstream {
	var list []api.Upstream
	for _, s := range a.gateway.upstreams() {
		u := api.Upstream{Name: s.Name, Type: string(s.Type), InFlight: s.InFlight, Queued: s.Queued}
		if c := a.gateway.containers.status(s.Name); c != nil {
			u.State, u.OnDemand = containerState(*c), c.CanServe()
		}
		for _, e := range s.Endpoints {
			u.Endpoints = append(u.Endpoints, api.Endpoint{URL: addressOf(e), State: e.State, Reason: e.Reason, InFlight: e.InFlight, Latency: e.Latency, LastProbe: e.LastProbe})
		}
		list = append(list, u)
	}
	return list
}

// addressOf is where an endpoint's server is.
func addressOf(e proxy.EndpointStatus) string {
	if e.Address == "" {
		return e.URL
	}
	return (&url.URL{Scheme: "http", Host: e.Address}).String()
}

// containerState is where a managed upstream's container stands; unavailable: none can be run.
func containerState(s models.Status) string {
	if s.Container == nil || s.State == models.StateUnavailable {
		return string(s.State)
	}
	return s.Container.State
}
