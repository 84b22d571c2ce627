package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// errUsage is returned once the flag package has printed what was wrong.
var errUsage = errors.New("usage")

// The sweeps.
const (
	sweepBatch    = "batch"
	sweepSessions = "sessions"
)

type options struct {
	model       string
	variant     string
	provider    string
	library     string
	device      int
	threads     int
	engines     string // folder of TensorRT's
	workloads   []string
	sweeps      []string
	fifo        bool
	peak        bool
	documents   int
	tokens      int
	maxTokens   int
	concurrency int // 0: as usual for each workload
	rounds      int
	duration    time.Duration // of a round, for each system, about
	seed        uint64
	json        string
	figures     string // file of the figures; empty: none
	server      string // program
	notes       io.Writer
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	var workloads, sweeps string
	f := flag.NewFlagSet("quadrate-enginebench", flag.ContinueOnError)
	f.SetOutput(stdout)
	f.StringVar(&o.model, "model", "", "the model's `folder`")
	f.StringVar(&o.variant, "variant", "auto", "auto, fp32, fp16, int8, packed or trt")
	f.StringVar(&o.provider, "provider", "auto", "execution provider: auto, cpu, cuda, tensorrt or openvino")
	f.StringVar(&o.library, "library", "", "ONNX Runtime's shared library; empty: searched for as the server does")
	f.IntVar(&o.device, "device", 0, "the accelerator's number")
	f.IntVar(&o.threads, "threads", 0, "of one run on a CPU; 0: all")
	f.StringVar(&o.engines, "tensorrt-cache", "var/trt", "`folder` of built TensorRT engines, as runtime.tensorrt_cache of the server")
	f.StringVar(&workloads, "workload", "", "W1, W2, W3, W4 or several with commas; empty: W1 for rerankers, W2,W3,W4 for others; none with -sweep")
	f.StringVar(&sweeps, "sweep", "", "batch (ONNX Runtime alone by batch size and length) or sessions (by number of sessions), or both with a comma")
	f.BoolVar(&o.fifo, "fifo8", false, "measure also an emulation of batches of at most 8 in order of arrival, padded, on one session")
	f.BoolVar(&o.peak, "peak", true, "measure the provider's peak with large matrix products, for the MFU")
	f.IntVar(&o.documents, "documents", 100, "documents of a W1 request")
	f.IntVar(&o.tokens, "tokens", 256, "tokens of each W1 pair, query and special tokens included")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "longest text; W3's median scales with it; 0: 512 or the model's limit if that is less")
	f.IntVar(&o.concurrency, "concurrency", 0, "callers of the engine at a time; 0: 1 for W1 and W4, 4 for W2, 64 for W3")
	f.IntVar(&o.rounds, "rounds", 5, "rounds, in which the systems take turns")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "about how long a round keeps each system busy; several callers have at least six requests each")
	f.Uint64Var(&o.seed, "seed", 1, "of texts and lengths")
	f.StringVar(&o.json, "json", "", "`file` for the results as JSON; empty: none")
	f.StringVar(&o.figures, "figures", "", "instead: measure the project's figures and write them to this `file`")
	f.StringVar(&o.server, "server", "bin/quadrate", "the server's `program`, for -figures")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errUsage
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q: there are flags only", f.Arg(0))
	}
	o.workloads, o.sweeps = list(workloads), list(sweeps)
	return o, o.validate()
}

func list(text string) (out []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// validate reports every problem at once.
func (o *options) validate() error {
	var problems []error
	check := func(good bool, format string, args ...any) {
		if !good {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.model != "", "-model: the model's folder is needed")
	for _, name := range o.workloads {
		check(slices.Contains([]string{"W1", "W2", "W3", "W4"}, strings.ToUpper(name)), "-workload %q: there are W1, W2, W3, W4", name)
	}
	for _, name := range o.sweeps {
		check(name == sweepBatch || name == sweepSessions, "-sweep %q: there are %s and %s", name, sweepBatch, sweepSessions)
	}
	check(o.documents > 0, "-documents %d: at least 1 is needed", o.documents)
	check(o.tokens >= workload.MinTokens, "-tokens %d: at least %d are needed", o.tokens, workload.MinTokens)
	check(o.maxTokens == 0 || o.maxTokens >= workload.MinTokens, "-max-tokens %d: at least %d, or 0", o.maxTokens, workload.MinTokens)
	check(o.concurrency >= 0, "-concurrency %d: it cannot be negative", o.concurrency)
	check(o.rounds > 0, "-rounds %d: at least 1 is needed", o.rounds)
	check(o.duration > 0, "-duration %v: more than 0 is needed", o.duration)
	check(o.device >= 0, "-device %d: it cannot be negative", o.device)
	check(o.threads >= 0, "-threads %d: it cannot be negative", o.threads)
	return errors.Join(problems...)
}
