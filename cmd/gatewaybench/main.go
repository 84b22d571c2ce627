// Command quadrate-gatewaybench measures what the gateway costs: the same requests to an upstream
// directly, through a plain net/http reverse proxy, and through quadrate, all processes of their
// own on this machine, taking turns.
//
// The upstream answers with numbers made beforehand, so that next to nothing but the way there and
// back is measured. The program knows quadrate by its command line and its configuration only.
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "quadrate-gatewaybench:", err)
		os.Exit(1)
	}
}
