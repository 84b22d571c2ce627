package main

import (
	"net/http"
	"slices"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/proxy"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// keyring makes the keys of a configuration.
func keyring(cfg config.Auth) (*auth.Keyring, error) {
	keys := make([]auth.Key, len(cfg.Keys))
	for i, k := range cfg.Keys {
		keys[i] = auth.Key{Name: k.Name, Hash: k.Hash, Models: k.Models, Limits: k.Limits, Expires: k.ExpiresAt(),
			Disabled: k.Disabled, Admin: k.Admin, BodyLimit: int64(k.BodyLimit)}
	}
	return auth.New(keys, auth.Anonymous{Enabled: cfg.Anonymous.Enabled, Models: cfg.Anonymous.Models, Limits: cfg.Anonymous.Limits})
}

// limitOptions makes the rate limits of a configuration.
func limitOptions(cfg config.RateLimits) ratelimit.Options {
	o := ratelimit.Options{Store: cfg.Store, Replicas: cfg.Replicas}
	for _, c := range cfg.Classes {
		class := ratelimit.Class{Name: c.Name, Limits: ratelimit.Limits{
			RequestsPerMinute: c.RequestsPerMinute, TokensPerMinute: c.TokensPerMinute, Burst: c.Burst, Concurrency: c.Concurrency}}
		for _, m := range c.Models {
			class.Rules = append(class.Rules, ratelimit.Rule{Models: m.Models, Limits: ratelimit.Limits{
				RequestsPerMinute: m.RequestsPerMinute, TokensPerMinute: m.TokensPerMinute, Burst: m.Burst, Concurrency: m.Concurrency}})
		}
		o.Classes = append(o.Classes, class)
	}
	return o
}

// proxyOptions makes the upstreams and routes of a configuration.
func proxyOptions(cfg config.Routing) proxy.Options {
	var o proxy.Options
	for _, u := range cfg.Upstreams {
		if !u.Managed.On() || runs(cfg, u) {
			o.Upstreams = append(o.Upstreams, upstream(u))
		}
	}
	for _, r := range routesInUse(cfg) {
		o.Routes = append(o.Routes, proxy.Route{
			Name: r.Name, Aliases: r.Aliases, Upstream: r.Upstream, UpstreamModel: r.UpstreamModel, Tasks: r.Tasks,
			Fallback: r.Fallback, CosineRerank: r.Rerank == "cosine", Dimensions: r.Dimensions, MaxLength: r.MaxLength,
		})
	}
	return o
}

// routesInUse are those that clients may ask for.
func routesInUse(cfg config.Routing) []config.Route {
	return slices.DeleteFunc(slices.Clone(cfg.Models), func(r config.Route) bool { return !cfg.Usable(r) })
}

func upstream(u config.Upstream) proxy.Upstream {
	header := http.Header{}
	for _, h := range u.Headers {
		header.Add(h.Name, h.Value)
	}
	return proxy.Upstream{
		Name: u.Name, Type: proxy.Type(u.Type), URLs: u.URLs, Managed: u.Managed.On(), APIKey: u.APIKey, Header: header,
		Timeout: u.Timeout, ConnectTimeout: u.ConnectTimeout, FirstByteTimeout: u.FirstByteTimeout,
		Retries: orNever(u.Retries), RetryBudget: orNever(u.RetryBudget),
		MaxInFlight: u.MaxInFlight, MaxQueued: orNever(u.MaxQueued), MaxItems: u.MaxItems, MaxBytes: int(u.MaxBytes), MaxAnswer: int64(u.MaxAnswer),
		ProbeInterval: orNever(u.ProbeInterval), EjectAfter: u.EjectAfter, EjectTime: u.EjectTime,
		CAFile: u.CAFile, ClientCert: u.ClientCert, ClientKey: u.ClientKey, KeepAlive: u.KeepAlive,
	}
}

// runs reports whether a managed upstream is to be run. One whose routes are all out of use is not: it
// would hold memory that nobody can use. One that no route was ever to lead to is there for its own sake.
func runs(cfg config.Routing, u config.Upstream) bool {
	leads := func(r config.Route) bool { return r.Leads(u.Name) }
	alone := (u.Managed.Pinned || u.Managed.Preload) && !slices.ContainsFunc(cfg.Models, leads)
	return alone || slices.ContainsFunc(routesInUse(cfg), leads)
}

// containerSettings makes the managed upstreams of a configuration that are to be run.
func containerSettings(cfg config.Routing) managed.Settings {
	c := cfg.Containers
	s := managed.Settings{Budgets: managed.Budgets{HostMB: c.MemoryMB, GPUs: map[string]int{}}, MaxWait: c.MaxWait, Leave: c.OnShutdown == "leave"}
	for _, gpu := range c.GPUs {
		s.Budgets.GPUs[gpu.ID] = gpu.MemoryMB
	}
	for _, u := range cfg.Upstreams {
		if u.Managed.On() && runs(cfg, u) {
			s.Specs = append(s.Specs, containerSpec(u))
		}
	}
	return s
}

func containerSpec(u config.Upstream) managed.Spec {
	m := u.Managed
	s := managed.Spec{
		ID: u.Name, Model: m.Model, Type: u.Type,
		Image: m.Image, Command: m.Args, GPUs: m.Devices(), Volumes: m.Volumes, MemoryMB: m.MemoryMB, ShmMB: m.ShmMB,
		ContainerPort: m.ContainerPort, HostPort: m.HostPort, Network: m.Network,
		Pull: managed.Pull(m.Pull), GPUMemoryMB: m.GPUMemoryMB, Group: m.Group, Priority: m.Priority,
		Pinned: m.Pinned, Preload: m.Preload, IdleTTL: m.IdleTTL, MinResidency: m.MinResidency,
		StartWait: m.StartWait, StartTimeout: m.StartTimeout, PullTimeout: m.PullTimeout,
		DrainTimeout: m.DrainTimeout, StopTimeout: m.StopTimeout, CheckInterval: m.CheckInterval,
	}
	for _, v := range m.Env {
		s.Env = append(s.Env, v.Name+"="+v.Value)
	}
	return s
}

// orNever turns the configuration's 0, which is none, into an option's: its 0 is the default.
func orNever[T ~int | ~int64](n T) T {
	if n == 0 {
		return -1
	}
	return n
}
