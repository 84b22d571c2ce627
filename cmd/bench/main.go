// Command quadrate-bench puts a measured load on a server of embedding models and rerankers
// and says how fast it answered.
//
// It speaks to the server over HTTP only, in a dialect that the server's peers speak too, and
// knows nothing of the server's insides: any server can be measured with it, and two can be
// compared. It checks the form of answers, never whether vectors or scores are right.
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
	// From the first signal on the default handling is back: the first prints what there is,
	// a second ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "quadrate-bench:", err)
		os.Exit(1)
	}
}
