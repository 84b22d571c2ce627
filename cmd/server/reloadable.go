package main

import "github.com/quadrate-maas/quadrate/config"

// reloadable is what of a new configuration can be put in force beside the one that the program
// runs with: routing, keys, limits and the local models. All else is as it was, and so are the
// parts of the models that come from it.
func reloadable(now, next *config.Config) *config.Config {
	cfg := *next
	cfg.ModelsDir, cfg.Log, cfg.Server, cfg.Runtime, cfg.Tracing = now.ModelsDir, now.Log, now.Server, now.Runtime, now.Tracing
	cfg.RateLimits.Store = now.RateLimits.Store
	cfg.Routing.Containers.Host, cfg.Routing.Containers.Instance = now.Routing.Containers.Host, now.Routing.Containers.Instance
	return &cfg
}
