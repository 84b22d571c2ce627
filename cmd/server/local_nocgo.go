//go:build !cgo

package main

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
)

// noLocals refuses local models: their native libraries need cgo.
type noLocals struct{}

func newLocalRuntime(*config.Config) (localRuntime, error) { return noLocals{}, nil }

// errNoCgo refuses every local model.
var errNoCgo = errors.New("this program was built without cgo and cannot run local models; build it with CGO_ENABLED=1 after `make setup`, or take the model out of the configuration")

func (noLocals) GPU(string) error { return errNoCgo }

func (noLocals) Check(models.Spec) error { return errNoCgo }

func (noLocals) Engine() string { return "" }

func (noLocals) Describe() string { return "no local models (built without cgo)" }

func (noLocals) Close() error { return nil }

func (noLocals) Open(context.Context, models.Spec, localHooks) (inference.Model, error) {
	return nil, errNoCgo
}
