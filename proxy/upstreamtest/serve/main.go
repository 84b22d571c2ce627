// Command serve plays another model server in a process of its own, for tests that start their
// upstreams so. It prints its address and serves until it is told to end.
//
//	go run ./proxy/upstreamtest/serve -type tei -listen 127.0.0.1:0 -dimensions 384
//
// What it was asked is at /_fake/requests, and faults are scripted at /_fake/fail; see the
// package upstreamtest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// run prints the server's URL to out and serves until ctx ends.
func run(ctx context.Context, args []string, out, problems io.Writer) error {
	kind, listen, options, err := parse(args, problems)
	if err != nil {
		return err
	}
	server, err := upstreamtest.Listen(listen, kind, options)
	if err != nil {
		return err
	}
	defer server.Stop()
	fmt.Fprintln(out, server.URL)
	<-ctx.Done()
	return nil
}

func parse(args []string, problems io.Writer) (kind upstreamtest.Kind, listen string, options upstreamtest.Options, err error) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(problems)
	var (
		model  upstreamtest.Model
		fault  upstreamtest.Fault
		name   = flags.String("type", string(upstreamtest.TEI), fmt.Sprintf("what to play, one of %v", upstreamtest.Kinds()))
		models = flags.String("models", "fake", "names of models, with commas between; name=task for another task than -task")
		task   = flags.String("task", string(upstreamtest.Embed), "what the models are for: embed, rerank or classify")
		labels = flags.String("labels", "", "a classifier's labels, with commas between")
	)
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	flags.IntVar(&model.Dimensions, "dimensions", 384, "length of vectors")
	flags.IntVar(&model.MaxLength, "max-length", 256, "tokens that a model takes")
	flags.StringVar(&options.Key, "key", "", "key that clients must send as a bearer token")
	flags.StringVar(&options.Prefix, "prefix", "", "put before paths")
	flags.DurationVar(&options.Delay, "delay", 0, "time that each request takes")
	flags.IntVar(&options.MaxConcurrent, "max-concurrent", 0, "work at once before the server is overloaded")
	flags.IntVar(&options.MaxItems, "max-items", 0, "inputs of one request")
	flags.Int64Var(&options.MaxBytes, "max-bytes", 0, "bytes of one request")
	flags.BoolVar(&options.AnyField, "any-field", false, "ignore unknown fields where the original refuses them")
	flags.BoolVar(&options.NoTruncate, "no-truncate", false, "TEI's --auto-truncate false")
	flags.StringVar((*string)(&fault.Name), "fault", "", fmt.Sprintf("how to fail, one of %v", upstreamtest.Faults()))
	flags.StringVar(&fault.Path, "fault-path", "", "route that fails; empty: all that can")
	flags.IntVar(&fault.Times, "fault-times", 0, "how often; 0: always")
	flags.IntVar(&fault.Every, "fault-every", 0, "at each so many requests")
	flags.DurationVar(&fault.Wait, "fault-wait", 0, "how long what is slow takes")
	flags.StringVar(&fault.RetryAfter, "fault-retry-after", "", "the header of that name")
	if err = flags.Parse(args); err != nil {
		return kind, listen, options, err
	}
	kind = upstreamtest.Kind(*name)
	if !slices.Contains(upstreamtest.Kinds(), kind) {
		return kind, listen, options, fmt.Errorf("-type %q is not one of %v", kind, upstreamtest.Kinds())
	}
	model.Task = upstreamtest.Task(*task)
	if *labels != "" {
		model.Labels = strings.Split(*labels, ",")
	}
	options.Models, err = named(*models, model)
	if fault.Name != "" {
		options.Faults = []upstreamtest.Fault{fault}
	}
	return kind, listen, options, errors.Join(err, options.Check(kind))
}

// named makes models like one, by their names and, behind =, tasks.
func named(names string, like upstreamtest.Model) ([]upstreamtest.Model, error) {
	var models []upstreamtest.Model
	for _, name := range strings.Split(names, ",") {
		m := like
		var task string
		var other bool
		if m.Name, task, other = strings.Cut(name, "="); other {
			m.Task = upstreamtest.Task(task)
		}
		if !slices.Contains([]upstreamtest.Task{upstreamtest.Embed, upstreamtest.Rerank, upstreamtest.Classify}, m.Task) {
			return nil, fmt.Errorf("model %q is for %q, not for embed, rerank or classify", m.Name, m.Task)
		}
		models = append(models, m)
	}
	return models, nil
}
