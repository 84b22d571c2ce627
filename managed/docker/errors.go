package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

// failed is an error of the engine, or of the way to it, in what was to be done; nil stays nil.
func (e *Engine) failed(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s at %s: %w", what, e.host, context.Cause(ctx))
	case away(err):
		return fmt.Errorf("%w at %s: %s: %w", managed.ErrAway, e.host, what, plain(err))
	}
	return fmt.Errorf("%s: %w", what, plain(err))
}

// failedOn is failed for a container that may be gone.
func (e *Engine) failedOn(ctx context.Context, what string, err error) error {
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("%s: %w", what, managed.ErrGone)
	}
	return e.failed(ctx, what, err)
}

// away reports whether the engine did not answer, or not to the end.
func away(err error) bool {
	var timedOut net.Error
	return client.IsErrConnectionFailed(err) || errors.As(err, &timedOut) || errdefs.IsUnavailable(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// plainError is an engine's error without what the client puts before it.
type plainError struct{ error }

func (p plainError) Error() string {
	return strings.TrimPrefix(p.error.Error(), "Error response from daemon: ")
}

func (p plainError) Unwrap() error { return p.error }

func plain(err error) error { return plainError{err} }

func (e *Engine) createFailed(ctx context.Context, s managed.Spec, err error) error {
	if ctx.Err() == nil && errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such image") {
		return fmt.Errorf("%w: %s", managed.ErrNoImage, s.Image)
	}
	return e.startFailed(ctx, s, err)
}

// startFailed says what a person can do about a container that could not be started.
func (e *Engine) startFailed(ctx context.Context, s managed.Spec, err error) error {
	what := "start a container of " + s.Image
	if ctx.Err() != nil || away(err) {
		return e.failed(ctx, what, err)
	}
	text := strings.ToLower(err.Error())
	says := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case s.HostPort > 0 && says("port is already allocated", "address already in use", "ports are not available"):
		return fmt.Errorf("port %d of 127.0.0.1 is taken: set another upstreams[].managed.host_port, or 0 for any free one: %w", s.HostPort, plain(err))
	case says("could not select device driver", "gpu vendor", "unresolvable cdi devices"):
		return fmt.Errorf("the engine cannot give containers a GPU: the NVIDIA Container Toolkit is missing, or not set up (nvidia-ctk runtime configure): %w", plain(err))
	case says("nvidia-container-cli", "nvidia-container-runtime"):
		return fmt.Errorf("the NVIDIA Container Toolkit finds no GPU %s here (upstreams[].managed.gpus): %w", strings.Join(s.GPUs, ","), plain(err))
	case s.Network != "" && errdefs.IsNotFound(err) && says("network"):
		return fmt.Errorf("the engine has no network %q (upstreams[].managed.network): %w", s.Network, noCause(err))
	case errdefs.IsNotFound(err) && says("no such container"):
		return e.failedOn(ctx, what, err)
	}
	return e.failed(ctx, what, err)
}

// noCause keeps the words of an error only.
func noCause(err error) error { return errors.New(plain(err).Error()) }
