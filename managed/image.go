package managed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookForImages has the images looked for of those that are to start and whose image is not known
// to be there. Until that is known, the policy does not see them want anything.
func (s *Supervisor) lookForImages(now time.Time) {
	for _, u := range s.units {
		if u.needsImage(now) && !u.looking {
			s.lookForImage(u)
		}
	}
}

// needsImage: it would start now if its image were there.
func (u *unit) needsImage(now time.Time) bool {
	return !u.hasImage && u.idle() && !u.leaving && !u.wantedSince.IsZero() &&
		(u.state == StateStopped || !u.retryAt.After(now))
}

func (s *Supervisor) lookForImage(u *unit) {
	u.looking, u.begunAt = true, time.Now()
	image := u.spec.Image
	s.effect(func() func() {
		var has bool
		err := s.briefly(s.open, func(ctx context.Context) (err error) {
			has, err = s.engine.HasImage(ctx, image)
			return err
		})
		return func() {
			u.looking = false
			if image == u.spec.Image && !s.closing {
				s.looked(u, has, err)
			}
		}
	})
}

// looked takes over what became of a look for u's image.
func (s *Supervisor) looked(u *unit, has bool, err error) {
	switch {
	case errors.Is(err, ErrAway):
		s.suspect(err)
	case err == nil && has:
		u.hasImage = s.engineState == engineUp
	case !u.needsImage(time.Now()): // nobody asks any more
	case err != nil:
		s.failStart(u, words(err), outcome{})
	case u.spec.Pull == PullNever:
		s.failStart(u, fmt.Sprintf("there is no image %q, and pull is never", u.spec.Image), outcome{})
	default:
		s.pull(u)
	}
}

// noImage ends a start whose image is not there, though it was. Somebody may have removed it, so it
// is looked for anew, once.
func (s *Supervisor) noImage(u *unit, o outcome) {
	u.hasImage = false
	if u.imageMissed {
		u.imageMissed = false
		s.failStart(u, fmt.Sprintf("there is no image %q, though the engine said that there is", u.spec.Image), o)
		return
	}
	u.imageMissed = true
	s.to(u, StateStopping, "its image is not there any more")
	s.remove(u)
}

// pull fetches the image. Its unit holds nothing meanwhile, makes nobody stop, and queues for a start
// afterwards. It goes on when nobody asks any more, as somebody will again; the end of its spec, and
// an admin, end it.
func (s *Supervisor) pull(u *unit) {
	ctx := s.newLife(u)
	s.to(u, StatePulling, "")
	image, timeout, epoch := u.spec.Image, u.spec.PullTimeout, u.epoch
	s.effect(func() func() {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		err := s.engine.Pull(ctx, image, func(progress string) {
			s.post(func() {
				s.quiet = true
				if u.epoch == epoch {
					u.progress = clip(clean(progress), wordsBytes)
					s.show(u)
					if s.hooks.Pulling != nil {
						s.hooks.Pulling(u.spec.ID, u.progress)
					}
				}
			})
		})
		return func() { s.pulled(u, err) }
	})
}

func (s *Supervisor) pulled(u *unit, err error) {
	u.attempt, u.progress = false, ""
	u.cancel(errEnded)
	switch {
	case u.state == StateStopping:
		s.remove(u)
	case err == nil:
		u.hasImage = true
		s.to(u, StateStopped, "its image has been pulled")
	case errors.Is(err, ErrAway):
		s.suspect(err)
		s.to(u, StateStopped, "")
	case errors.Is(err, context.DeadlineExceeded):
		s.failStart(u, fmt.Sprintf("image %q was not pulled within %v (pull_timeout)", u.spec.Image, u.spec.PullTimeout), outcome{})
	default:
		s.failStart(u, fmt.Sprintf("image %q could not be pulled: %s", u.spec.Image, words(err)), outcome{})
	}
}
