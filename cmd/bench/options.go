package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// errUsage is returned once the flag package has printed what was wrong.
var errUsage = errors.New("usage")

// The rates of an open loop: the time between two arrivals is to be neither nothing nor more than a
// duration can hold.
const (
	minRate = 1e-3
	maxRate = 1e6
)

type options struct {
	url, vs        string
	model, vsModel string
	all            bool
	workloads      []string
	documents      int // of W1
	tokens         int // of each of W1's pairs
	maxTokens      int // longest text; 0: the model's limit
	dialect        string
	duration       time.Duration // of a round, on each server
	warmup         time.Duration
	timeout        time.Duration // of one request
	concurrency    int
	rate           float64       // requests a second; 0: closed loop, and W5 finds its own first rate
	p99            time.Duration // W5's limit; 0: from the unloaded latency
	inFlight       int           // bound of the open loop
	rounds         int
	seed           uint64
	soak           int // requests; 0: no soak
	out            string
	gobench        bool
	key            string
	cache          bool
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	var workloads, keyFile string
	f := flag.NewFlagSet("quadrate-bench", flag.ContinueOnError)
	f.SetOutput(stdout)
	f.StringVar(&o.url, "url", "http://localhost:8000", "the server to measure")
	f.StringVar(&o.vs, "vs", "", "a second `URL`: both are measured in turns, and their ratio is printed")
	f.StringVar(&o.model, "model", "", "model name; empty: the server's default")
	f.StringVar(&o.vsModel, "vs-model", "", "the second server's name for the model; empty: the same name")
	f.BoolVar(&o.all, "all", false, "every model that GET /v1/models lists")
	f.StringVar(&workloads, "workload", "", "W1, W2, W3, W4, W4b, W5 or several with commas; empty: W1 for rerankers, W3 for others")
	f.IntVar(&o.documents, "documents", 100, "documents of a W1 request")
	f.IntVar(&o.tokens, "tokens", 256, "tokens of each W1 pair, query and special tokens included")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "longest text; W3's median scales with it; 0: 512 or the model's limit if that is less")
	f.StringVar(&o.dialect, "dialect", "auto", "openai (embeddings), cohere (rerank), tei (both), auto (openai and cohere)")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "length of a round on each server")
	f.DurationVar(&o.warmup, "warmup", time.Second, "unmeasured load before each round; 0: none")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "longest wait for one answer")
	f.IntVar(&o.concurrency, "concurrency", 1, "closed loop: requests in flight")
	f.Float64Var(&o.rate, "rate", 0, "open loop: Poisson arrivals a second; 0: closed loop; W5: the first rate; 0: half of what one request at a time reaches")
	f.DurationVar(&o.p99, "p99", 0, "W5: the 99th percentile that ends the ramp; 0: ten times the unloaded median")
	f.IntVar(&o.inFlight, "in-flight", 512, "open loop: most requests in flight; arrivals beyond it are dropped and counted")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement; 0: 1, with -vs 5")
	f.Uint64Var(&o.seed, "seed", 1, "of texts, lengths and arrivals")
	f.IntVar(&o.soak, "soak", 0, "instead of workloads: so many short requests to all routes of the model, watching the server's memory")
	f.StringVar(&o.out, "out", ".", "`folder` of benchmark_result.json and benchmark_report.html")
	f.BoolVar(&o.gobench, "gobench", false, "also print Go benchmark lines, one a round, for benchstat")
	f.BoolVar(&o.cache, "cache", false, "let the server answer from results that it keeps; else Cache-Control: no-store is sent, since the texts of a seed repeat from run to run")
	f.StringVar(&keyFile, "key-file", "", "`file` with the API key, sent as Authorization: Bearer")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errUsage
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q: there are flags only", f.Arg(0))
	}
	for name := range strings.SplitSeq(workloads, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.workloads = append(o.workloads, name)
		}
	}
	if o.rounds == 0 {
		o.rounds = 1
		if o.vs != "" {
			o.rounds = 5
		}
	}
	if keyFile != "" {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return o, fmt.Errorf("-key-file: %w", err)
		}
		o.key = strings.TrimSpace(string(key))
	}
	o.url, o.vs = strings.TrimRight(o.url, "/"), strings.TrimRight(o.vs, "/")
	return o, o.validate()
}

// ramps is whether W5 is asked for, which is always an open loop.
func (o *options) ramps() bool {
	return slices.ContainsFunc(o.workloads, func(name string) bool { return strings.EqualFold(name, "W5") })
}

// validate reports every problem at once.
func (o *options) validate() error {
	var problems []error
	check := func(good bool, format string, args ...any) {
		if !good {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(isHTTP(o.url), "-url %q: an http or https URL is needed", o.url)
	check(o.vs == "" || isHTTP(o.vs), "-vs %q: an http or https URL is needed", o.vs)
	check(!o.all || o.model == "", "-all and -model exclude each other")
	check(o.vsModel == "" || o.vs != "" && !o.all, "-vs-model needs -vs, and no -all")
	for _, name := range o.workloads {
		_, err := workload.For(name, workload.Shape{})
		check(err == nil, "-workload: %v", err)
	}
	switch o.dialect {
	case "auto", "openai", "cohere", "tei":
	default:
		check(false, "-dialect %q: there are auto, openai, cohere, tei", o.dialect)
	}
	check(o.documents > 0, "-documents %d: at least 1 is needed", o.documents)
	check(o.tokens >= workload.MinTokens, "-tokens %d: at least %d are needed", o.tokens, workload.MinTokens)
	check(o.maxTokens == 0 || o.maxTokens >= workload.MinTokens, "-max-tokens %d: at least %d, or 0", o.maxTokens, workload.MinTokens)
	check(o.duration > 0, "-duration %v: more than 0 is needed", o.duration)
	check(o.warmup >= 0, "-warmup %v: it cannot be negative", o.warmup)
	check(o.timeout > 0, "-timeout %v: more than 0 is needed", o.timeout)
	check(o.concurrency > 0, "-concurrency %d: at least 1 is needed", o.concurrency)
	check(o.rate == 0 || o.rate >= minRate && o.rate <= maxRate, "-rate %v: 0, or from %g to %g a second", o.rate, minRate, maxRate)
	check(o.p99 >= 0, "-p99 %v: it cannot be negative", o.p99)
	check(o.inFlight > 0, "-in-flight %d: at least 1 is needed", o.inFlight)
	check(o.soak >= 0, "-soak %d: it cannot be negative", o.soak)
	check(o.soak == 0 || o.vs == "" && !o.all && o.rate == 0 && len(o.workloads) == 0, "-soak excludes -vs, -all, -rate and -workload")
	check(o.rounds > 0, "-rounds %d: at least 1 is needed", o.rounds)
	return errors.Join(problems...)
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
