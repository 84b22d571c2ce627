package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// check answers -check: where the server will listen and what it will serve, and every reason
// why it would not start, as far as that shows without loading a model.
func check(ctx context.Context, cfg *config.Config, open engines, stdout io.Writer) error {
	var problems []error
	if _, err := certificate(cfg.Server.TLS); err != nil {
		problems = append(problems, err)
	}
	if err := checkGateway(cfg); err != nil {
		problems = append(problems, err)
	}
	runtime, err := localRuntimeFor(cfg)
	if err != nil {
		problems = append(problems, err)
	} else {
		defer func() { _ = runtime.Close() }()
	}
	fmt.Fprintf(stdout, "%s: listens on %s, %s, %s, %s\n", cfg.File, listenAddress(cfg),
		counted(len(cfg.Models), "local model"), counted(len(cfg.Routing.Upstreams), "upstream"), counted(len(cfg.Auth.Keys), "key"))
	for _, r := range cfg.Routing.Models {
		word := ""
		if !cfg.Routing.Usable(r) {
			word = " (not enabled)"
		}
		fmt.Fprintf(stdout, "  %s from upstream %s%s\n", r.Name, r.Upstream, word)
	}
	if err := checkContainers(ctx, cfg.Routing, open, stdout); err != nil {
		problems = append(problems, err)
	}
	for _, spec := range cfg.Specs() {
		word := "ok"
		if err := checkModel(runtime, spec); err != nil {
			word = err.Error()
			if !spec.Optional || !errors.Is(err, inference.ErrAbsent) {
				problems = append(problems, fmt.Errorf("%s: %w", spec.Name, err))
			}
		}
		fmt.Fprintf(stdout, "  %s from %s: %s\n", spec.Name, spec.Path, word)
	}
	return errors.Join(problems...)
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func checkModel(runtime localRuntime, spec models.Spec) error {
	err := inference.Check(spec)
	if errors.Is(err, inference.ErrAbsent) {
		return fmt.Errorf("%w; %s", err, howToGet(spec))
	}
	if err == nil && runtime != nil {
		err = runtime.Check(spec)
	}
	return err
}

// checkGateway makes everything that stands between the clients and the upstreams, and throws it
// away: certificates are read, but nobody is called.
func checkGateway(cfg *config.Config) error {
	_, keysErr := keyring(cfg.Auth)
	return errors.Join(keysErr, ratelimit.Check(limitOptions(cfg.RateLimits)), proxy.Check(proxyOptions(cfg.Routing)))
}

// engineTime is what the engine has to answer a check.
const engineTime = 2 * time.Second

// checkContainers says what would run in containers. That none can here is an error; an engine that
// is away may come back.
func checkContainers(ctx context.Context, cfg config.Routing, open engines, stdout io.Writer) error {
	specs := containerSettings(cfg).Specs
	if len(specs) == 0 {
		return nil
	}
	for _, s := range specs {
		fmt.Fprintf(stdout, "  %s in a container of %s: %s, with %s\n", s.ID, s.Image, s.Model, strings.Join(s.ShownCommand(), " "))
	}
	engine, err := open(cfg.Containers)
	if err != nil {
		return fmt.Errorf("managed upstreams: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	word := "answers"
	if err := engine.Ping(ctx); err != nil {
		word = "is away, and would be waited for: " + err.Error()
	}
	fmt.Fprintln(stdout, "  the container engine "+word)
	return nil
}
