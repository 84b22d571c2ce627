package docker

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

// Watch calls heard for each event of this instance's containers until ctx ends or the engine goes
// away.
func (e *Engine) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	// The engine answers shortly before it listens: since then it sends what it heard before.
	now := time.Now()
	// The client may tell later than it returns that it was refused, so the answer itself is noted.
	var granted atomic.Bool
	stream := e.api.Events(context.WithValue(ctx, grantedKey{}, &granted), client.EventsListOptions{
		Since: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
		Filters: e.ours().Add("type", string(events.ContainerEventType)).
			Add("event", string(events.ActionDie), string(events.ActionOOM)),
	})
	if granted.Load() {
		begun()
	}
	for { // the stream ends, and tells so, when ctx does
		select {
		case m := <-stream.Messages:
			if event, ok := eventOf(m); ok {
				heard(event)
			}
		case err := <-stream.Err:
			return e.watchFailed(ctx, err)
		}
	}
}

// grantedKey is where the context of a watch has the flag that its answer sets.
type grantedKey struct{}

// noteGranted sees every answer of the engine.
func noteGranted(r *http.Response) {
	granted, watches := r.Request.Context().Value(grantedKey{}).(*atomic.Bool)
	if watches && r.StatusCode == http.StatusOK && strings.HasSuffix(r.Request.URL.Path, "/events") {
		granted.Store(true)
	}
}

func (e *Engine) watchFailed(ctx context.Context, err error) error {
	if err == nil {
		err = ctx.Err()
	}
	return e.failed(ctx, "watch containers", err)
}

func eventOf(m events.Message) (managed.Event, bool) {
	switch m.Action {
	case events.ActionOOM:
		return managed.Event{Container: m.Actor.ID}, true
	case events.ActionDie:
		code, _ := strconv.Atoi(m.Actor.Attributes["exitCode"]) // none is 0
		return managed.Event{Container: m.Actor.ID, Died: true, ExitCode: code}, true
	}
	return managed.Event{}, false
}
