package managed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Causes of the end of a life.
var (
	errStop  = errors.New("it is to stop")
	errEnded = errors.New("its container has ended")
)

const (
	// awayRetry is when to come back while the engine does not answer.
	awayRetry = 5 * time.Second
	// guess is how long a start takes of which nothing is known.
	guess = 5 * time.Second
)

func shuttingDown() *models.Error {
	return models.Errorf(models.KindShuttingDown, "the server is shutting down")
}

func unknown(id string) *models.Error {
	return models.Errorf(models.KindUnavailable, "there is no container for %q in the configuration", id).By(id)
}

// ended is the error of a request whose context has ended.
func ended(ctx context.Context, id string) *models.Error {
	kind := models.KindCanceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = models.KindLoading
	}
	return models.Errorf(kind, "the request ended while %q was being started", id).By(id).Because(ctx.Err())
}

// away is why a container cannot be started, or stopped, at present.
func (s *Supervisor) away(id, done string) *models.Error {
	return models.Errorf(models.KindUnavailable, "container of %q cannot be %s: %v", id, done, ErrAway).
		By(id).After(awayRetry).Because(s.engineErr)
}

// late tells one who has waited in vain what it has waited for.
func (s *Supervisor) late(u *unit) *models.Error {
	if s.engineState == engineAway && !u.in(StateReady, StateDraining) {
		return s.away(u.spec.ID, "started")
	}
	message := fmt.Sprintf("%q is being started (%s)", u.spec.ID, u.state)
	switch {
	case s.engineState == engineUnknown:
		message = fmt.Sprintf("%q is started when the container engine has answered", u.spec.ID)
	case s.orphans > 0 && u.idle():
		message = fmt.Sprintf("%q waits for containers of an earlier process to be removed", u.spec.ID)
	case u.state == StateFailed && time.Now().Before(u.retryAt):
		message = fmt.Sprintf("%q %s, and is to be started again", u.spec.ID, u.why)
	case u.looking:
		message = fmt.Sprintf("%q is being started (its image is looked for)", u.spec.ID)
	case u.in(StateStarting, StatePulling):
		message = fmt.Sprintf("%q is being started (%s, %d s so far)", u.spec.ID, u.state, int(time.Since(u.begunAt).Seconds()))
	case u.idle():
		if names := s.inTheWay(u); len(names) > 0 {
			message = fmt.Sprintf("%q waits for room, which %s %s", u.spec.ID, listed(names), plural(len(names), "holds", "hold"))
		}
	case u.stuck != "":
		message = fmt.Sprintf("an earlier container of %q cannot be stopped: %s", u.spec.ID, u.stuck)
	case u.in(StateStopping, StateDraining):
		message = fmt.Sprintf("%q is being stopped (%s), and starts again then", u.spec.ID, u.state)
	}
	return models.Errorf(models.KindLoading, "%s", message).By(u.spec.ID).After(u.retryAfter())
}

// maxListed is how many names an error has.
const maxListed = 5

func listed(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// inTheWay names those that hold what u needs.
func (s *Supervisor) inTheWay(u *unit) []string {
	var names []string
	for _, other := range s.units {
		if other != u && other.holds() && s.collide(other, u) {
			names = append(names, fmt.Sprintf("%q", other.spec.ID))
		}
	}
	return names
}

// retryAfter is when it may serve: what is left of a start that takes as long as the last one did.
func (u *unit) retryAfter() time.Duration {
	cost := u.loadCost
	if cost == 0 {
		cost = guess
	}
	if u.state == StateStarting {
		cost -= time.Since(u.begunAt)
	}
	if left := time.Until(u.retryAt); u.state == StateFailed && left > 0 {
		cost += left
	}
	return max(cost, time.Second)
}

// failure is why u does not run.
func (u *unit) failure() *models.Error {
	message := fmt.Sprintf("container of %q %s", u.spec.ID, u.why)
	if u.lines != "" {
		message += "; its last lines: " + u.lines
	}
	return models.Errorf(models.KindUnavailable, "%s", message).By(u.spec.ID).After(max(time.Until(u.retryAt), time.Second))
}
