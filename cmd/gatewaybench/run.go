package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// errUsage says that the command line was wrong; what was wrong has been printed.
var errUsage = errors.New("wrong usage")

// maxRate is far beyond what one client can send; without a bound, the gap between two requests
// could be too small for a duration.
const maxRate = 1e6

type options struct {
	server      string
	rounds      int
	duration    time.Duration
	rate        float64
	concurrency int
	out         string
}

// run measures, or, as its own child, plays the upstream or the plain proxy.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case roleUpstream:
			return serve(ctx, stdout, newUpstream())
		case roleProxy:
			return serveProxy(ctx, args[1:], stdout)
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return measureAll(ctx, o, stdout, stderr)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("quadrate-gatewaybench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.server, "server", "bin/quadrate", "the `PROGRAM` to measure")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds; each measures every way once, in turn")
	flags.DurationVar(&o.duration, "duration", 4*time.Second, "time of one measurement")
	flags.Float64Var(&o.rate, "rate", 500, "requests a second of the open loop")
	flags.IntVar(&o.concurrency, "concurrency", 16, "connections of the closed loop")
	flags.StringVar(&o.out, "out", "", "also write the report to this `FILE`, as Markdown")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	rated := o.rate > 0 && o.rate <= maxRate
	if flags.NArg() > 0 || o.rounds < 1 || o.duration <= 0 || !rated || o.concurrency < 1 {
		fmt.Fprintf(stderr, "rounds, duration, rate (at most %g) and concurrency must be positive, and there are no arguments beside the flags\n", maxRate)
		flags.Usage()
		return o, errUsage
	}
	return o, nil
}
