package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a run is, on a terminal; elsewhere it does nothing. Its unit is the
// measured time in milliseconds, since that is what is known beforehand.
type progress struct {
	bar     *progressbar.ProgressBar // nil: not shown
	planned time.Duration            // what all stages so far were to take
}

func newProgress(w io.Writer, planned time.Duration) *progress {
	return &progress{bar: newBar(w, planned.Milliseconds())}
}

// newBar returns nil where w is no terminal.
func newBar(w io.Writer, most int64) *progressbar.ProgressBar {
	f, is := w.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) { //nolint:gosec // file descriptors are small
		return nil
	}
	return progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
}

// newCounter returns what shows that so many calls of all are under way.
func newCounter(w io.Writer, calls uint64) func(at uint64) {
	bar := newBar(w, int64(calls)) //nolint:gosec // an option's int
	return func(at uint64) {
		if bar != nil {
			_ = bar.Set64(int64(at)) //nolint:gosec // at most calls
		}
	}
}

// stage shows what is being measured until the returned function is called, which waits for
// the bar's goroutine.
func (p *progress) stage(m *measurement, s *side, detail string, lasts time.Duration) (done func()) {
	if p.bar == nil {
		return func() {}
	}
	p.bar.Describe(fmt.Sprintf("%s %s %s", m.workload.Name, s.model.name, detail))
	from := p.planned
	p.planned += lasts
	if most := p.planned.Milliseconds(); most > p.bar.GetMax64() {
		p.bar.ChangeMax64(most)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for start := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				// Never the maximum before the end: the bar would finish and go.
				at := min(from+min(time.Since(start), lasts), time.Duration(p.bar.GetMax64()-1)*time.Millisecond)
				_ = p.bar.Set64(at.Milliseconds())
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
