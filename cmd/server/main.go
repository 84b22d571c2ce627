// Command quadrate serves embedding models and rerankers over HTTP.
//
// It is where the packages are wired together: configuration to options, options to models,
// models to the HTTP server. Nothing else in the module reads the process's environment,
// parses flags or exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the default handling is back, so that a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, nil)
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	case errors.Is(err, errRestart):
		fmt.Fprintln(os.Stderr, "quadrate:", err)
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, "quadrate:", err)
		os.Exit(1)
	}
}
