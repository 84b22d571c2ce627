// Command quadrate-enginebench measures a model folder in process: the engine, from text through
// tokenizer and batcher to rows, against ONNX Runtime alone on the same texts.
//
// It knows no HTTP but in the figures, which start a server to measure it beside the engine, and
// it never looks whether answers are right: the model's own check at load does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "quadrate-enginebench:", err)
		os.Exit(1)
	}
}
