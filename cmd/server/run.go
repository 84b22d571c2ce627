package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/quadrate-maas/quadrate/config"
)

// errUsage says that the command line was wrong; what was wrong has been printed.
var errUsage = errors.New("wrong usage")

// run is the whole program: it returns when ctx has ended and everything has been shut down,
// or when something failed. ready, when not nil, is given the listening address once the
// models are loaded.
func run(ctx context.Context, args, environ []string, stdout io.Writer, ready func(addr string)) error {
	return runOn(ctx, args, environ, dockerEngines(environ), stdout, ready)
}

// runOn is run with containers on an engine of open.
func runOn(ctx context.Context, args, environ []string, open engines, stdout io.Writer, ready func(addr string)) error {
	command, args := split(args)
	switch command {
	case "key":
		return key(args, stdout)
	case "completion":
		return completion(args, stdout)
	}
	flags := flag.NewFlagSet("quadrate", flag.ContinueOnError)
	flags.SetOutput(stdout)
	file := flags.String("config", "", "configuration `FILE` (QUADRATE_CONFIG; default configs/server.yaml)")
	onlyCheck := flags.Bool("check", false, "check the configuration and exit")
	asJSON := new(bool)
	if command == "version" {
		flags.BoolVar(asJSON, "json", false, "tell it as JSON")
	}
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
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	read := func() (*config.Config, error) {
		return config.Load(config.LoadOptions{File: *file, Environ: environ, Dir: dir})
	}
	cfg, err := read()
	switch {
	case command == "version" && err != nil:
		return tellVersion(&config.Config{}, *asJSON, stdout) // a configuration with problems hides no version
	case command == "version":
		return tellVersion(cfg, *asJSON, stdout)
	case err != nil:
		return err
	case *onlyCheck:
		return check(ctx, cfg, open, stdout)
	case command == "healthcheck":
		return healthcheck(ctx, cfg, stdout)
	default:
		whenReady, end := serviceManagerOf(environ).hears(ctx, newLogger(cfg.Log, stdout), ready)
		defer end()
		return serve(ctx, cfg, read, open, stdout, whenReady)
	}
}

// split takes a command off the front of the arguments.
func split(args []string) (command string, rest []string) {
	if len(args) > 0 && slices.Contains([]string{"serve", "version", "healthcheck", "key", "completion"}, args[0]) {
		return args[0], args[1:]
	}
	return "serve", args
}

func usage(flags *flag.FlagSet) {
	fmt.Fprint(flags.Output(), `Usage: quadrate [serve] [-config FILE] [-check]
       quadrate healthcheck [-config FILE]    ask the running server whether it is ready
       quadrate key new [-help]                make an API key
       quadrate version [-json]                the versions of all that is inside
       quadrate completion bash|zsh|fish       a script that completes all this in a shell

`)
	flags.PrintDefaults()
	fmt.Fprint(flags.Output(), `
Exit status: 0 stopped, 1 failed, 2 wrong usage, 3 a model's device failed or a run on it
does not end: start the program anew.
`)
}
