package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

// progressInterval is how often progress is told of a pull at most.
const progressInterval = time.Second

// HasImage reports whether the engine has an image.
func (e *Engine) HasImage(ctx context.Context, image string) (bool, error) {
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	if _, err := reference.ParseAnyReference(image); err != nil {
		return false, fmt.Errorf("%q is no image's name: %w", image, err)
	}
	_, err := e.api.ImageInspect(ctx, image)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, e.failed(ctx, "look for the image "+image, err)
}

// Pull fetches an image, without credentials.
func (e *Engine) Pull(ctx context.Context, image string, progress func(string)) error {
	ctx, cancel := bounded(ctx, pullLimit)
	defer cancel()
	if err := e.pull(ctx, image, throttled(progress)); err != nil {
		return err
	}
	there, err := e.HasImage(ctx, image)
	if err == nil && !there {
		err = fmt.Errorf("%w: %s: the pull ended without it", managed.ErrNoImage, image)
	}
	return err
}

func (e *Engine) pull(ctx context.Context, image string, progress func(string)) error {
	stream, err := e.api.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return e.pullFailed(ctx, image, err)
	}
	told := newPulling()
	for message, err := range stream.JSONMessages(ctx) {
		if err == nil && message.Error != nil {
			err = message.Error
		}
		if err != nil {
			return e.pullFailed(ctx, image, err)
		}
		progress(told.take(message))
	}
	return e.failed(ctx, "pull "+image, ctx.Err())
}

// pullFailed says what a person can do about an image that could not be fetched.
func (e *Engine) pullFailed(ctx context.Context, image string, err error) error {
	if ctx.Err() != nil || away(err) {
		return e.failed(ctx, "pull "+image, err)
	}
	text := strings.ToLower(err.Error())
	for _, part := range []string{"denied", "unauthorized", "authentication required", "no basic auth", "docker login"} {
		if strings.Contains(text, part) {
			return fmt.Errorf("%w: %s: its registry does not have it, or wants credentials, which this server never sends: "+
				"pull it by hand (docker login, docker pull): %w", managed.ErrNoImage, image, noCause(err))
		}
	}
	for _, part := range []string{"not found", "manifest unknown", "no matching manifest", "no such image"} {
		if strings.Contains(text, part) {
			return fmt.Errorf("%w: %s: %w", managed.ErrNoImage, image, noCause(err))
		}
	}
	return e.failed(ctx, "pull "+image, err)
}

// throttled passes words on that are not empty and not those before, one in progressInterval.
func throttled(progress func(string)) func(string) {
	var last string
	var at time.Time
	return func(words string) {
		if progress == nil || words == "" || words == last || !at.IsZero() && time.Since(at) < progressInterval {
			return
		}
		last, at = words, time.Now()
		progress(words)
	}
}
