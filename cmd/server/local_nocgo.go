//go:build !cgo

package main

import (
	"errors"

	"github.com/quadrate-maas/quadrate/config"
)

// errNoCgo refuses every local model: their native libraries need cgo.
var errNoCgo = errors.New("this program was built without cgo and cannot run local models; build it with CGO_ENABLED=1 after `make setup`, or take the model out of the configuration")

func newLocalRuntime(*config.Config) (localRuntime, error) { return refusingLocals{errNoCgo}, nil }
