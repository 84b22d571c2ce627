package main

import (
	"context"

	"github.com/quadrate-maas/quadrate/api"
)

// admin lets API keys that may do so work on the gateway.
type admin struct{ gateway *gateway }

var _ api.Admin = admin{}

func (a admin) Reload(ctx context.Context) (any, error) { return a.gateway.reload(ctx) }

func (a admin) Load(ctx context.Context, model string) error { return a.gateway.loadAgain(ctx, model) }

func (a admin) Unload(ctx context.Context, model string) error { return a.gateway.unload(ctx, model) }

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
		for _, e := range s.Endpoints {
			u.Endpoints = append(u.Endpoints, api.Endpoint{URL: e.URL, State: e.State, Reason: e.Reason, InFlight: e.InFlight, Latency: e.Latency, LastProbe: e.LastProbe})
		}
		list = append(list, u)
	}
	return list
}
