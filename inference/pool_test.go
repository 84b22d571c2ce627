package inference

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
)

// fleet hands out fake sessions, one after the other, and notes what for.
type fleet struct {
	mu       sync.Mutex
	sessions []*fakeSession
	configs  []SessionConfig
	events   []Event
	opened   int
	hang     chan struct{} // when not nil, opening waits for its end
}

func (f *fleet) open(cfg SessionConfig) (Session, error) {
	if f.hang != nil {
		<-f.hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs = append(f.configs, cfg)
	if f.opened == len(f.sessions) {
		f.sessions = append(f.sessions, &fakeSession{width: fakeWidth})
	}
	f.opened++
	return f.sessions[f.opened-1], nil
}

func (f *fleet) session(i int) *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[i]
}

func (f *fleet) kinds() []EventKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kinds []EventKind
	for _, ev := range f.events {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}

// start opens an embedding model over the fleet.
func (f *fleet) start(t *testing.T, change func(*models.Spec)) *Embedding {
	t.Helper()
	deps := fakeDeps(nil)
	deps.NewSession = f.open
	deps.OnEvent = func(ev Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, ev)
	}
	spec := models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Runtime: models.RuntimeSpec{Provider: "cpu"}}
	if change != nil {
		change(&spec)
	}
	m, err := Open(t.Context(), spec, deps)
	require.NoError(t, err)
	return m.(*Embedding)
}

// reply is the end of a request that was sent on a goroutine of its own.
type reply struct {
	err  error
	done bool
	took time.Duration
}

func ask(m *Embedding, texts ...string) *reply {
	r := &reply{}
	go func() {
		start := time.Now()
		inputs := make([]models.Input, len(texts))
		for i, text := range texts {
			inputs[i].Text = text
		}
		_, r.err = m.Embed(context.Background(), models.EmbedRequest{Inputs: inputs})
		r.done, r.took = true, time.Since(start)
	}()
	synctest.Wait()
	return r
}

func sleeps(d time.Duration) func(context.Context, Batch) error {
	return func(context.Context, Batch) error {
		time.Sleep(d)
		return nil
	}
}

func untilTold(ctx context.Context, _ Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSessionsOfOneModelRunTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, func(s *models.Spec) { s.Sessions = 3; s.Batcher.MaxItems = 1 })
		for _, s := range f.sessions {
			s.before = sleeps(time.Second)
		}
		replies := []*reply{ask(m, "a"), ask(m, "b"), ask(m, "c"), ask(m, "d")}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for i, r := range replies {
			require.NoError(t, r.err)
			require.Equal(t, time.Duration(1+i/3)*time.Second, r.took)
		}
		require.NoError(t, m.Close())
	})
}

// While a session is being reopened the others take all batches, and what waits stays in the
// queue rather than in a batch that waits for a session.
func TestAFailedSessionTakesNoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, func(s *models.Spec) { s.Sessions = 2; s.Batcher.MaxItems = 1; s.Batcher.QueueTimeout = time.Minute })
		var bad, good *fakeSession // bad is the one that runs first
		for i, s := range f.sessions {
			s.closing = 20 * time.Second
			s.before = func(ctx context.Context, b Batch) error {
				if bad == nil {
					bad, good = s, f.sessions[1-i]
				}
				if s == bad {
					return untilTold(ctx, b)
				}
				return sleeps(time.Second)(ctx, b)
			}
		}
		first := ask(m, "a")
		time.Sleep(minRunLimit)
		synctest.Wait()
		wantKind(t, first.err, models.KindUnavailable, "")
		require.Equal(t, models.StateReady, m.Status().State, "one session is well")
		good.counted()
		replies := []*reply{ask(m, "b"), ask(m, "c"), ask(m, "d")}
		require.Equal(t, 2, m.Status().Queue.Items, "one runs, the others wait in the queue")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for i, r := range replies {
			require.NoError(t, r.err)
			require.Equal(t, time.Duration(1+i)*time.Second, r.took)
		}
		require.Equal(t, 3, good.counted())
		time.Sleep(20 * time.Second)
		synctest.Wait()
		f.session(2).before = sleeps(time.Second)
		replies = []*reply{ask(m, "b"), ask(m, "c")}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, r := range replies {
			require.NoError(t, r.err)
			require.Equal(t, time.Second, r.took, "both sessions serve again")
		}
		require.NoError(t, m.Close())
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventReopened, EventClosed}, f.kinds())
	})
}

// The status foretells the wait of what comes now: what runs and what waits is run first.
func TestStatusTellsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, func(s *models.Spec) { s.Batcher.MaxItems = 1 })
		f.sessions[0].before = sleeps(time.Second)
		require.Zero(t, m.Status().Queue)
		ask(m, "a")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, m.Status().Queue, "a runner is free")
		for _, text := range []string{"b", "c", "d"} {
			ask(m, text)
		}
		q := m.Status().Queue
		require.Equal(t, 1, q.Running)
		require.Equal(t, 2, q.Items)
		require.InDelta(t, 3, q.Wait.Seconds(), 0.01)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.InDelta(t, 1.5, m.Status().Queue.Wait.Seconds(), 0.01)
		time.Sleep(time.Minute)
		require.NoError(t, m.Close())
	})
}

// A run that does not end although it is told to: its callers are answered, the model fails,
// and when it has not come back after a while the model is lost.
func TestARunThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		release := make(chan struct{})
		f.sessions[0].before = func(context.Context, Batch) error { <-release; return nil }
		running, behind := ask(m, "a"), ask(m, "b")
		time.Sleep(minRunLimit + hungAfter)
		synctest.Wait()
		wantKind(t, running.err, models.KindUnavailable, "")
		require.Equal(t, minRunLimit+hungAfter, running.took)
		wantKind(t, behind.err, models.KindQueueTimeout, "")
		require.Equal(t, models.StateFailed, m.Status().State)
		require.Equal(t, []EventKind{EventLoaded, EventFailed}, f.kinds())
		waiting := ask(m, "c")
		time.Sleep(defaultQueueTimeout)
		synctest.Wait()
		wantKind(t, waiting.err, models.KindQueueTimeout, "")
		time.Sleep(lostAfter - defaultQueueTimeout - time.Second)
		waiting = ask(m, "d")
		time.Sleep(time.Second)
		synctest.Wait()
		wantKind(t, waiting.err, models.KindUnavailable, "")
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventLost}, f.kinds())
		require.ErrorIs(t, f.events[2].Err, ErrLost)
		require.ErrorContains(t, f.events[2].Err, "its session did not close within 30s, because a run in it does not end")
		require.Contains(t, m.Status().Reason, "the server is about to end")
		late := ask(m, "e")
		require.True(t, late.done, "a lost model refuses at once")
		wantKind(t, late.err, models.KindUnavailable, "")
		require.ErrorIs(t, m.Close(), ErrLost)
		close(release)
	})
}

// A run that comes back late, but comes back, costs its session and nothing else.
func TestARunThatEndsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		f.sessions[0].before = sleeps(minRunLimit + hungAfter + 10*time.Second)
		running := ask(m, "a")
		time.Sleep(minRunLimit + hungAfter)
		synctest.Wait()
		wantKind(t, running.err, models.KindUnavailable, "")
		require.False(t, f.session(0).isClosed())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.True(t, f.session(0).isClosed())
		require.Equal(t, models.StateReady, m.Status().State)
		require.NoError(t, ask(m, "b").err)
		require.NoError(t, m.Close())
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventReopened, EventClosed}, f.kinds())
	})
}

func TestCloseDoesNotWaitForeverForAHungRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		release := make(chan struct{})
		f.sessions[0].before = func(context.Context, Batch) error { <-release; return nil }
		running := ask(m, "a")
		start := time.Now()
		require.ErrorIs(t, m.Close(), ErrLost)
		require.Equal(t, minRunLimit+hungAfter+lostAfter, time.Since(start))
		synctest.Wait()
		wantKind(t, running.err, models.KindUnavailable, "")
		close(release)
	})
}

// A device that is beyond repair is not asked again: nothing is reopened.
func TestALostDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, func(s *models.Spec) { s.Batcher.MaxItems = 2 })
		broken := errors.Join(ErrDevice, errors.New("CUDA failure 700"))
		f.sessions[0].before = func(context.Context, Batch) error {
			time.Sleep(time.Second)
			return broken
		}
		first, waiting := ask(m, "a"), []*reply{ask(m, "b"), ask(m, "c"), ask(m, "d")}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, r := range append(waiting, first) {
			wantKind(t, r.err, models.KindUnavailable, "")
			require.Equal(t, time.Second, r.took, "what waited is refused at once")
		}
		require.Equal(t, models.StateFailed, m.Status().State)
		require.Equal(t, []EventKind{EventLoaded, EventLost}, f.kinds())
		require.ErrorIs(t, f.events[1].Err, broken)
		require.Equal(t, 1, f.opened)
		require.ErrorIs(t, m.Close(), ErrLost)
		require.False(t, f.session(0).isClosed())
	})
}

// A session whose runs fail and which then cannot be opened because of the device ends as lost.
func TestADeviceThatIsLostWhileReopening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		f.sessions[0].before = func(context.Context, Batch) error { return errors.New("CUBLAS failure 13") }
		f.sessions = append(f.sessions, &fakeSession{width: fakeWidth, before: func(context.Context, Batch) error { return ErrDevice }})
		for range suspicious {
			wantKind(t, ask(m, "a").err, models.KindInternal, "")
		}
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventLost}, f.kinds())
		require.ErrorIs(t, m.Close(), ErrLost)
	})
}

// The check of a session under suspicion, and of one that was reopened, may hang like any run.
func TestACheckThatNeverEnds(t *testing.T) {
	never := func(release chan struct{}) func(context.Context, Batch) error {
		return func(context.Context, Batch) error { <-release; return errors.New("the end") }
	}
	for name, prepare := range map[string]func(f *fleet, release chan struct{}){
		"of the old session": func(f *fleet, release chan struct{}) {
			runs := 0
			f.sessions[0].before = func(ctx context.Context, b Batch) error {
				if runs++; runs > suspicious {
					return never(release)(ctx, b)
				}
				return errors.New("a failure")
			}
		},
		"of the new session": func(f *fleet, release chan struct{}) {
			f.sessions[0].before = func(context.Context, Batch) error { return errors.New("a failure") }
			f.sessions = append(f.sessions, &fakeSession{width: fakeWidth, before: never(release)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, release := &fleet{}, make(chan struct{})
				m := f.start(t, nil)
				prepare(f, release)
				for range suspicious {
					ask(m, "a")
				}
				time.Sleep(checkLimit + hungAfter + lostAfter)
				synctest.Wait()
				require.Equal(t, models.StateFailed, m.Status().State)
				require.Equal(t, []EventKind{EventLoaded, EventFailed, EventLost}, f.kinds())
				require.ErrorIs(t, m.Close(), ErrLost)
				close(release)
			})
		})
	}
}

// Closing does not wait for a load that never returns.
func TestCloseWhileReopeningHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, release := &fleet{}, make(chan struct{})
		m := f.start(t, nil)
		f.hang = release
		f.sessions[0].before = func(context.Context, Batch) error { return errors.New("a failure") }
		for range suspicious {
			ask(m, "a")
		}
		start := time.Now()
		require.ErrorIs(t, m.Close(), ErrLost)
		require.Equal(t, 2*lostAfter, time.Since(start))
		close(release)
	})
}

// Out of memory: halved once, then refused with the settings named, and the session stays.
func TestOutOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		s := f.sessions[0]
		fits := 2
		s.before = func(_ context.Context, b Batch) error {
			if b.Rows > fits {
				return errors.Join(ErrOutOfMemory, errors.New("CUDA failure 2: out of memory"))
			}
			return nil
		}
		require.NoError(t, ask(m, "a", "b", "c", "d").err)
		four := ask(m, "a", "b", "c", "d", "e", "f")
		wantKind(t, four.err, models.KindUnavailable, "")
		require.ErrorContains(t, four.err, `a run of model "m" found too little memory, halved too (models[].batcher.max_tokens, runtime.gpu_mem_limit)`)
		fits = 0
		for range 3 * suspicious {
			one := ask(m, "a b")
			wantKind(t, one.err, models.KindTooLarge, "")
			require.ErrorContains(t, one.err, `an input of 4 tokens, alone in its run, found too little memory in model "m" (runtime.gpu_mem_limit, models[].max_length)`)
		}
		require.Equal(t, models.StateReady, m.Status().State)
		require.Equal(t, []EventKind{EventLoaded}, f.kinds())
		require.NoError(t, m.Close())
	})
}

func TestAPanicInASessionIsContained(t *testing.T) {
	f := &fleet{}
	m := f.start(t, nil)
	f.sessions[0].before = func(context.Context, Batch) error { panic("boom") }
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
	wantKind(t, err, models.KindInternal, "")
	var panicked *batcher.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "boom", panicked.Value)
	require.Contains(t, string(panicked.Stack), "fakeSession")
	require.NoError(t, m.Close())
}

func TestEachDeviceHasItsSessions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*models.Spec)
		want   []int
	}{
		"small model":   {func(*models.Spec) {}, []int{2, 2, 3, 3}},
		"as configured": {func(s *models.Spec) { s.Sessions = 1 }, []int{2, 3}},
		"no devices":    {func(s *models.Spec) { s.Devices = nil }, []int{0, 0}},
		"cpu":           {func(s *models.Spec) { s.Runtime.Provider = ProviderCPU }, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fleet{}
			m := f.start(t, func(s *models.Spec) {
				s.Runtime.Provider, s.Devices = ProviderCUDA, []int{2, 3}
				c.change(s)
			})
			var devices []int
			for _, cfg := range f.configs {
				devices = append(devices, cfg.Device)
			}
			require.Equal(t, c.want, devices)
			require.NoError(t, m.Close())
			require.True(t, slices.IndexFunc(f.sessions, func(s *fakeSession) bool { return !s.isClosed() }) < 0)
		})
	}
}

func TestSessionsShareTheProcessor(t *testing.T) {
	c, m := candidate{provider: ProviderCPU, variant: "fp32"}, fakeManifest(models.TaskEmbed)
	require.Equal(t, max(threads(ProviderCPU)/2, 1), sessionConfig(models.Spec{}, m, c, 0, 2).Threads)
	require.Equal(t, 5, sessionConfig(models.Spec{Runtime: models.RuntimeSpec{Threads: 5}}, m, c, 0, 2).Threads)
}

// All sessions of a model are checked, and all are closed when one is refused.
func TestEverySessionIsChecked(t *testing.T) {
	f := &fleet{sessions: []*fakeSession{{width: fakeWidth}, {width: fakeWidth, spoil: func(row []float32) { row[0]++ }}}}
	deps := fakeDeps(nil)
	deps.NewSession = f.open
	_, err := Open(t.Context(), models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Devices: []int{0, 1}, Sessions: 1,
		Runtime: models.RuntimeSpec{Provider: ProviderCUDA}}, deps)
	require.ErrorContains(t, err, "variant fp32 on cuda: device 1: refused, because its answers are not those of the weights")
	require.True(t, f.session(0).isClosed())
	require.True(t, f.session(1).isClosed())
}

func TestRowsAreTheCallersOwn(t *testing.T) {
	for _, width := range []int{1, 384, 5000} {
		out := Output{Width: width, Values: make([]float32, 7*width)}
		for i := range out.Values {
			out.Values[i] = float32(i)
		}
		rows := out.rows(7)
		clear(out.Values)
		for i, row := range rows {
			require.Len(t, row, width)
			require.Equal(t, width, cap(row))
			require.Equal(t, float32(i*width), row[0])
			require.Equal(t, float32((i+1)*width-1), row[width-1])
		}
	}
}

// Concurrent requests read their vectors while later runs use the same buffers again.
func TestBuffersAreNotSharedWithCallers(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			text := strings.Repeat("w ", i+1)
			var want []float32
			for range 50 {
				result, err := m.Embed(context.Background(), models.EmbedRequest{Inputs: []models.Input{{Text: text}}, Raw: true})
				if err != nil || want != nil && !slices.Equal(want, result.Vectors[0]) {
					t.Errorf("%v: %v, want %v", err, result.Vectors, want)
					return
				}
				want = result.Vectors[0]
			}
		})
	}
	group.Wait()
}

// A session that opens late is left behind like any other when a run in it never ends.
func TestALateSessionThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hung := &fakeSession{width: fakeWidth, before: func(context.Context, Batch) error { <-release; return nil }}
		late := &lateSession{slot: make(chan struct{}, 1), open: func(context.Context) (Session, error) { return hung, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := late.Run(ctx, Batch{})
		require.ErrorIs(t, err, ErrLost)
		require.Equal(t, time.Minute+hungAfter+lostAfter, time.Since(start))
		require.NoError(t, late.Close(), "there is none any more")
		close(release)
	})
}

// A load that is given up while it measures the speed is no failure of the session, and one
// whose run does not end then is told as lost.
func TestALoadIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		run    func(release chan struct{}) func(context.Context, Batch) error
		lost   bool
		events []EventKind
	}{
		"and its run ends": {func(chan struct{}) func(context.Context, Batch) error { return untilTold }, false, nil},
		"and its run does not end": {func(release chan struct{}) func(context.Context, Batch) error {
			return func(context.Context, Batch) error { <-release; return nil }
		}, true, []EventKind{EventFailed, EventLost}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, deps, release := &fleet{}, fakeDeps(nil), make(chan struct{})
				runs, s := 0, &fakeSession{width: fakeWidth}
				s.before = func(ctx context.Context, b Batch) error {
					if runs++; runs > 3 { // the references together and alone
						return c.run(release)(ctx, b)
					}
					return nil
				}
				f.sessions = []*fakeSession{s}
				deps.NewSession = f.open
				deps.OnEvent = func(ev Event) { f.events = append(f.events, ev) }
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				spec := models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Runtime: models.RuntimeSpec{Provider: "cpu"}}
				_, err := Open(ctx, spec, deps)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, c.lost, errors.Is(err, ErrLost))
				require.Equal(t, c.events, f.kinds())
				require.Equal(t, 1, f.opened)
				require.Equal(t, !c.lost, s.isClosed())
				close(release)
			})
		})
	}
}

// A batch that is to be repeated while its session is away waits for it, but not at the end.
func TestCloseDoesNotWaitForASessionThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		s := f.sessions[0]
		s.before = func(context.Context, Batch) error { return errors.New("a failure") }
		for range suspicious - 2 {
			ask(m, "a")
		}
		for range 10 {
			f.sessions = append(f.sessions, &fakeSession{width: fakeWidth, before: s.before})
		}
		s.before = func(context.Context, Batch) error { time.Sleep(time.Millisecond); return errors.New("a failure") }
		replies := []*reply{ask(m, "a"), ask(m, "b"), ask(m, "c")}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.False(t, replies[1].done, "it waits for a session")
		require.Equal(t, models.StateFailed, m.Status().State)
		start := time.Now()
		require.NoError(t, m.Close())
		require.Less(t, time.Since(start), time.Second)
		synctest.Wait()
		for _, r := range replies[1:] {
			wantKind(t, r.err, models.KindShuttingDown, "")
		}
	})
}

// A session that gives no numbers any more says no error. One text's overflow is no reason.
func TestASessionThatGivesNoNumbersIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		m := f.start(t, nil)
		s := f.sessions[0]
		fail := func() {
			wantKind(t, ask(m, "a").err, models.KindInternal, "input[0]")
		}
		s.spoil = func(row []float32) { row[0] = float32(math.NaN()) }
		for range suspicious {
			require.Equal(t, models.StateReady, m.Status().State)
			fail()
		}
		synctest.Wait()
		require.True(t, s.isClosed())
		require.NoError(t, ask(m, "b").err)
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventReopened}, f.kinds())
		require.ErrorContains(t, f.events[1].Err, "gave a number that is not finite")

		// Only this text: the references are as they should be.
		next, overflow := f.sessions[1], false
		next.before = func(_ context.Context, b Batch) error {
			overflow = b.Length == 3 && b.IDs[1] != int64(m.manifest.Reference[0].IDs[1])
			return nil
		}
		next.spoil = func(row []float32) {
			if overflow {
				row[0] = float32(math.Inf(1))
			}
		}
		for range 2 * suspicious {
			fail()
		}
		require.NoError(t, m.Close())
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventReopened, EventClosed}, f.kinds())
	})
}
