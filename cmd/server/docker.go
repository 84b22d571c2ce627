package main

import (
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/docker"
)

// dockerEngines opens Docker Engines; environ is the process's environment.
func dockerEngines(environ []string) engines {
	return func(cfg config.Containers) (managed.Engine, error) {
		if err := docker.Refused(environ, cfg.Host); err != nil {
			return nil, err
		}
		e, err := docker.New(docker.Options{Host: cfg.Host, Environ: environ, Instance: cfg.Instance, Version: version})
		if err != nil {
			return nil, err
		}
		return e, nil
	}
}
