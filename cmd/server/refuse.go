package main

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
)

// errNoLocals refuses local models that a reload brings to a server that was started as a mere
// router, without the native libraries.
var errNoLocals = errors.New("this server was started without local models; start it anew to run some")

// refusingLocals refuses every local model, and says why.
type refusingLocals struct{ reason error }

var _ localRuntime = refusingLocals{}

func (r refusingLocals) GPU(string) error { return r.reason }

func (r refusingLocals) Check(models.Spec) error { return r.reason }

func (refusingLocals) Engine() string { return "" }

func (refusingLocals) Describe() string { return "none (no local models)" }

func (refusingLocals) Close() error { return nil }

func (r refusingLocals) Open(context.Context, models.Spec, localHooks) (inference.Model, error) {
	return nil, r.reason
}
