package inference

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quadrate-maas/quadrate/models"
)

// smallModel is the size of a variant's weights up to which one run leaves a GPU idle between
// kernels and at its ends for long enough that a second session fills the gaps. Twice the files
// of a 110M-parameter model in fp16, so that base models count as small, large ones do not.
const smallModel = 512 << 20

// sessionsFor is how many sessions a model has on each device. One on a CPU: a run uses all
// threads, and two of half the threads each make a single text slower and no batch faster
// (docs/benchmarks/runners.md).
func sessionsFor(spec models.Spec, m *Manifest, c candidate) int {
	switch {
	case spec.Sessions > 0:
		return spec.Sessions
	case c.provider != ProviderCUDA:
		return 1 // TensorRT has several engines already
	case weightBytes(spec.Path, m.Variants[c.variant]) <= smallModel:
		return 2
	default:
		return 1
	}
}

// weightBytes is the size of a variant's files; the files that are absent count nothing, since
// loading reports them.
func weightBytes(dir string, v Variant) int64 {
	var sum int64
	for _, name := range []string{v.File, v.File + "_data"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// devicesOf lists the devices that run a candidate.
func devicesOf(spec models.Spec, c candidate) []int {
	if !OnGPU(c.provider) || len(spec.Devices) == 0 {
		return []int{0}
	}
	return spec.Devices
}

// openSessions opens a candidate's sessions, each checked by itself: a second device need not
// compute what the first does. It returns the most that a check measured of a text's company.
func (e *engine) openSessions(ctx context.Context, spec models.Spec, c candidate, deps Deps) (company float64, err error) {
	devices, each := devicesOf(spec, c), sessionsFor(spec, e.manifest, c)
	check := func(ctx context.Context, s Session) error { _, err := e.manifest.check(ctx, s, c.variant); return err }
	p := newPool(check, e.event, len(devices)*each)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	for _, device := range devices {
		cfg := sessionConfig(spec, e.manifest, c, device, each)
		open := func(ctx context.Context) (Session, error) {
			s, _, err := openChecked(ctx, cfg, e.manifest, c, deps)
			return s, err
		}
		for range each {
			s, measured, err := openChecked(ctx, cfg, e.manifest, c, deps)
			if err != nil && len(devices) > 1 {
				return 0, fmt.Errorf("device %d: %w", device, err)
			}
			if err != nil {
				return 0, err
			}
			company = max(company, measured)
			p.add(s, open)
		}
	}
	e.sessions = p
	return company, nil
}

// openChecked also returns what the check measured of a text's company.
func openChecked(ctx context.Context, cfg SessionConfig, m *Manifest, c candidate, deps Deps) (_ Session, company float64, err error) {
	s, err := deps.NewSession(cfg)
	if err != nil {
		return nil, 0, err
	}
	if g := m.graphOf(c.variant); g.pooling != nil {
		s = newPooling(s, g.pooling)
	}
	company, err = m.check(ctx, guarded{s}, c.variant)
	if err != nil {
		return nil, 0, errors.Join(err, closeInTime(s))
	}
	return s, company, nil
}
