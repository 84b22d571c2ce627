package main

import (
	"net/http"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/config"
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
		o.Upstreams = append(o.Upstreams, upstream(u))
	}
	for _, r := range cfg.Models {
		if !r.Enabled && !cfg.AllowDisabled {
			continue
		}
		o.Routes = append(o.Routes, proxy.Route{
			Name: r.Name, Aliases: r.Aliases, Upstream: r.Upstream, UpstreamModel: r.UpstreamModel, Tasks: r.Tasks,
			Fallback: r.Fallback, CosineRerank: r.Rerank == "cosine", Dimensions: r.Dimensions, MaxLength: r.MaxLength,
		})
	}
	return o
}

func upstream(u config.Upstream) proxy.Upstream {
	header := http.Header{}
	for _, h := range u.Headers {
		header.Add(h.Name, h.Value)
	}
	return proxy.Upstream{
		Name: u.Name, Type: proxy.Type(u.Type), URLs: u.URLs, APIKey: u.APIKey, Header: header,
		Timeout: u.Timeout, ConnectTimeout: u.ConnectTimeout, FirstByteTimeout: u.FirstByteTimeout,
		Retries: orNever(u.Retries), RetryBudget: orNever(u.RetryBudget),
		MaxInFlight: u.MaxInFlight, MaxQueued: orNever(u.MaxQueued), MaxItems: u.MaxItems, MaxBytes: int(u.MaxBytes), MaxAnswer: int64(u.MaxAnswer),
		ProbeInterval: orNever(u.ProbeInterval), EjectAfter: u.EjectAfter, EjectTime: u.EjectTime,
		CAFile: u.CAFile, ClientCert: u.ClientCert, ClientKey: u.ClientKey, KeepAlive: u.KeepAlive,
	}
}

// orNever turns the configuration's 0, which is none, into an option's: its 0 is the default.
func orNever[T ~int | ~int64](n T) T {
	if n == 0 {
		return -1
	}
	return n
}
