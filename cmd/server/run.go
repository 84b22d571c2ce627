package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// errUsage says that the command line was wrong; what was wrong has been printed.
var errUsage = errors.New("wrong usage")

// run is the whole program: it returns when ctx has ended and everything has been shut down,
// or when something failed. ready, when not nil, is given the listening address once the
// models are loaded.
func run(ctx context.Context, args, environ []string, stdout io.Writer, ready func(addr string)) error {
	command, args := split(args)
	if command == "key" {
		return key(args, stdout)
	}
	flags := flag.NewFlagSet("quadrate", flag.ContinueOnError)
	flags.SetOutput(stdout)
	file := flags.String("config", "", "configuration `FILE` (QUADRATE_CONFIG; default configs/server.yaml)")
	onlyCheck := flags.Bool("check", false, "check the configuration and exit")
	flags.Usage = func() { usage(flags) }
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stdout, "unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return errUsage
	}
	if command == "version" {
		fmt.Fprintf(stdout, "quadrate %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	read := func() (*config.Config, error) {
		return config.Load(config.LoadOptions{File: *file, Environ: environ, Dir: dir})
	}
	cfg, err := read()
	if err != nil {
		return err
	}
	switch {
	case *onlyCheck:
		return check(cfg, stdout)
	case command == "healthcheck":
		return healthcheck(ctx, cfg, stdout)
	default:
		return serve(ctx, cfg, read, stdout, ready)
	}
}

// split takes a command off the front of the arguments.
func split(args []string) (command string, rest []string) {
	if len(args) > 0 && slices.Contains([]string{"serve", "version", "healthcheck", "key"}, args[0]) {
		return args[0], args[1:]
	}
	return "serve", args
}

func usage(flags *flag.FlagSet) {
	fmt.Fprint(flags.Output(), `Usage: quadrate [serve] [-config FILE] [-check]
       quadrate healthcheck [-config FILE]    ask the running server whether it is ready
       quadrate key new [-help]                make an API key
       quadrate version

`)
	flags.PrintDefaults()
	fmt.Fprint(flags.Output(), `
Exit status: 0 stopped, 1 failed, 2 wrong usage, 3 a model's device failed or a run on it
does not end: start the program anew.
`)
}

// check answers -check: where the server will listen and what it will serve, and every reason
// why it would not start, as far as that shows without loading a model.
func check(cfg *config.Config, stdout io.Writer) error {
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
	fmt.Fprintf(stdout, "%s: listens on %s, %d local models, %d upstreams, %d keys\n", cfg.File, listenAddress(cfg), len(cfg.Models), len(cfg.Routing.Upstreams), len(cfg.Auth.Keys))
	for _, r := range cfg.Routing.Models {
		word := ""
		if !r.Enabled && !cfg.Routing.AllowDisabled {
			word = " (not enabled)"
		}
		fmt.Fprintf(stdout, "  %s from upstream %s%s\n", r.Name, r.Upstream, word)
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
