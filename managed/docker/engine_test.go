package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
)

// testImage is made of the program in testdata/server by the first test that needs it.
var testImage = fmt.Sprintf("quadrate-docker-test:%d", os.Getpid())

var makeImage struct {
	once sync.Once
	made bool
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if makeImage.made {
		if err := dropImage(); err != nil {
			fmt.Fprintln(os.Stderr, "remove the test's image:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func dropImage() error {
	api, err := client.New(client.WithHost(os.Getenv("QUADRATE_DOCKER_TEST")))
	if err != nil {
		return err
	}
	_, err = api.ImageRemove(context.Background(), testImage, client.ImageRemoveOptions{Force: true})
	return err
}

// realEngine is an engine of an instance of its own at QUADRATE_DOCKER_TEST, of which nothing is
// left at the test's end.
func realEngine(t *testing.T) *Engine {
	t.Helper()
	host := os.Getenv("QUADRATE_DOCKER_TEST")
	if host == "" {
		t.Skip("QUADRATE_DOCKER_TEST names no Docker Engine")
	}
	e, err := New(Options{Host: host, Instance: fmt.Sprintf("test-%s-%d", t.Name(), os.Getpid()), Version: "test"})
	require.NoError(t, err)
	makeImage.once.Do(func() { makeImage.err = importImage(e) })
	require.NoError(t, makeImage.err)
	t.Cleanup(func() {
		left, err := e.List(context.Background())
		require.NoError(t, err)
		for _, c := range left {
			require.NoError(t, e.Stop(context.Background(), c.ID, 0))
		}
		require.NoError(t, e.api.Close())
	})
	return e
}

func importImage(e *Engine) error {
	dir, err := os.MkdirTemp("", "quadrate-docker-test")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "server")
	build := exec.Command("go", "build", "-o", program, "./testdata/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "server", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return err
	}
	if _, err := w.Write(binary); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	out, err := e.api.ImageImport(context.Background(), client.ImageImportSource{Source: &layer, SourceName: "-"}, testImage,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/server"]`, "ENV PORT=8000", "VOLUME /scratch"}})
	if err != nil {
		return err
	}
	makeImage.made = true
	if _, err = io.Copy(io.Discard, out); err != nil {
		return err
	}
	return out.Close()
}

func realSpec(id string) managed.Spec {
	return managed.Spec{ID: id, Model: "model-of-" + id, Image: testImage, ContainerPort: 8000}
}

// get asks the server in a container, and again until it serves.
func get(t *testing.T, address, path string) string {
	t.Helper()
	var text string
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		text = string(body)
		return err == nil && resp.StatusCode != http.StatusBadGateway // what it asks does not serve yet
	}, 30*time.Second, 20*time.Millisecond, "nothing serves at %s", address)
	return text
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestEngineRunsAServer(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	require.NoError(t, e.Ping(ctx))
	has, err := e.HasImage(ctx, testImage)
	require.NoError(t, err)
	require.True(t, has)

	s := realSpec("tei/이름")
	s.Command, s.MemoryMB, s.ShmMB, s.Env = []string{"-a", "b c"}, 64, 8, []string{"PORT=9000"}
	s.ContainerPort = 9000
	started, err := e.Start(ctx, s)
	require.NoError(t, err)
	require.True(t, started.Running)
	require.Equal(t, s.ID, started.Spec)
	require.Equal(t, s.Hash(), started.Hash)
	require.Equal(t, "here", get(t, started.Address, "/"))
	host, _, err := net.SplitHostPort(started.Address)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)

	get(t, started.Address, "/eat?mb=16")
	memory, err := e.Memory(ctx, started.ID)
	require.NoError(t, err)
	require.Greater(t, memory, int64(16<<20))
	require.Less(t, memory, int64(64<<20))

	logs, err := e.Logs(ctx, started.ID, 10)
	require.NoError(t, err)
	require.Contains(t, logs, "out of [-a b c]\n")
	require.Contains(t, logs, "err of [-a b c]\n")
	last, err := e.Logs(ctx, started.ID, 1)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(last, "\n"))

	all, err := e.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []managed.Container{started}, all)

	require.NoError(t, e.Stop(ctx, started.ID, 10*time.Second))
	_, err = e.Inspect(ctx, started.ID)
	require.ErrorIs(t, err, managed.ErrGone)
	_, err = e.Memory(ctx, started.ID)
	require.ErrorIs(t, err, managed.ErrGone)
	_, err = e.Logs(ctx, started.ID, 1)
	require.ErrorIs(t, err, managed.ErrGone)
	require.NoError(t, e.Stop(ctx, started.ID, 10*time.Second), "it is gone already")
	all, err = e.List(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestEngineListsOneInstanceOnly(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	other, err := New(Options{Host: e.host, Instance: e.instance + "-other"})
	require.NoError(t, err)
	mine, err := e.Start(ctx, realSpec("same"))
	require.NoError(t, err)
	theirs, err := other.Start(ctx, realSpec("same"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Stop(context.Background(), theirs.ID, 0)) })
	all, err := e.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []managed.Container{mine}, all)
	require.NotEqual(t, mine.Name, theirs.Name)
}

func TestEngineKillsWhatDoesNotStop(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	s := realSpec("stubborn")
	s.Env = []string{"STUBBORN=1"}
	c, err := e.Start(ctx, s)
	require.NoError(t, err)
	get(t, c.Address, "/")
	begun := time.Now()
	require.NoError(t, e.Stop(ctx, c.ID, time.Second))
	require.Less(t, time.Since(begun), 20*time.Second)
	_, err = e.Inspect(ctx, c.ID)
	require.ErrorIs(t, err, managed.ErrGone)
}

// watched is what an engine tells of.
func watched(t *testing.T, e *Engine) <-chan managed.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	begun, ended, heard := make(chan struct{}), make(chan error, 1), make(chan managed.Event, 100)
	go func() { ended <- e.Watch(ctx, func() { close(begun) }, func(v managed.Event) { heard <- v }) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	<-begun
	return heard
}

func next(t *testing.T, heard <-chan managed.Event) managed.Event {
	t.Helper()
	select {
	case v := <-heard:
		return v
	case <-time.After(30 * time.Second):
		require.Fail(t, "no event")
	}
	return managed.Event{}
}

func TestEngineTellsOfAnEnd(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	heard := watched(t, e)
	c, err := e.Start(ctx, realSpec("ends"))
	require.NoError(t, err)
	get(t, c.Address, "/")
	_, _ = http.Get("http://" + c.Address + "/exit?code=7")
	require.Equal(t, managed.Event{Container: c.ID, Died: true, ExitCode: 7}, next(t, heard))
	ended, err := e.Inspect(ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, managed.Container{ID: c.ID, Name: c.Name, Spec: c.Spec, Hash: c.Hash, ExitCode: 7}, ended)
}

func TestEngineTellsThatMemoryRanOut(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	heard := watched(t, e)
	s := realSpec("eats")
	s.MemoryMB = 32
	c, err := e.Start(ctx, s)
	require.NoError(t, err)
	get(t, c.Address, "/")
	_, _ = http.Get("http://" + c.Address + "/eat?mb=256")
	seen := map[managed.Event]bool{}
	for len(seen) < 2 { // in either order; the first may come more than once
		seen[next(t, heard)] = true
	}
	require.Equal(t, map[managed.Event]bool{
		{Container: c.ID}: true, {Container: c.ID, Died: true, ExitCode: 137}: true,
	}, seen)
	ended, err := e.Inspect(ctx, c.ID)
	require.NoError(t, err)
	require.True(t, ended.OOM)
	require.Equal(t, 137, ended.ExitCode)
}

func TestEngineReplacesItsOwnOfTheSameName(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	first, err := e.Start(ctx, realSpec("again"))
	require.NoError(t, err)
	second, err := e.Start(ctx, realSpec("again"))
	require.NoError(t, err)
	require.Equal(t, first.Name, second.Name)
	_, err = e.Inspect(ctx, first.ID)
	require.ErrorIs(t, err, managed.ErrGone)
}

func TestEngineLeavesOthersOfTheSameName(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	s := realSpec("taken")
	theirs, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{Image: testImage, Name: name(e.instance, s.ID)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.remove(context.Background(), theirs.ID)) })
	mine, err := e.Start(ctx, s)
	require.NoError(t, err)
	require.Equal(t, name(e.instance, s.ID)+"-2", mine.Name)
	_, err = e.Inspect(ctx, theirs.ID)
	require.NoError(t, err)
}

func TestEngineSaysWhyAStartFailed(t *testing.T) {
	e := realEngine(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	port := taken.Addr().(*net.TCPAddr).Port
	for what, c := range map[string]struct {
		change func(*managed.Spec)
		says   []string
		is     error
	}{
		"no image":    {func(s *managed.Spec) { s.Image = "quadrate-no-such-image:1" }, []string{"quadrate-no-such-image:1"}, managed.ErrNoImage},
		"port taken":  {func(s *managed.Spec) { s.HostPort = port }, []string{"port " + strconv.Itoa(port), "host_port"}, nil},
		"no network":  {func(s *managed.Spec) { s.Network = "quadrate-no-such-network" }, []string{"quadrate-no-such-network", "managed.network"}, nil},
		"none":        {func(s *managed.Spec) { s.Network = "none" }, []string{"managed.network"}, nil},
		"no GPU":      {func(s *managed.Spec) { s.GPUs = []string{"all"} }, []string{"NVIDIA Container Toolkit"}, nil},
		"bad volume":  {func(s *managed.Spec) { s.Volumes = []string{"a:relative"} }, []string{"relative"}, nil},
		"cannot run":  {func(s *managed.Spec) { s.Volumes = []string{t.TempDir() + "/absent:/server"} }, []string{testImage, "/server"}, nil},
		"bad port":    {func(s *managed.Spec) { s.ContainerPort = 65536 }, []string{"container_port", "65535"}, nil},
		"little room": {func(s *managed.Spec) { s.MemoryMB = 1 }, []string{"emory"}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			ctx := limited(t)
			s := realSpec(what)
			c.change(&s)
			_, err := e.Start(ctx, s)
			require.Error(t, err)
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.NotErrorIs(t, err, managed.ErrGone)
			require.NotErrorIs(t, err, managed.ErrAway)
			left, err := e.List(ctx)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestEngineLeavesNothingOfAStartCutShort(t *testing.T) {
	e := realEngine(t)
	for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		c, err := e.Start(ctx, realSpec("cut"))
		cancel()
		left, listErr := e.List(context.Background())
		require.NoError(t, listErr)
		if err == nil {
			require.Len(t, left, 1)
			require.NoError(t, e.Stop(context.Background(), c.ID, 0))
			continue
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, left, "after %v", after)
	}
}

func TestEngineHasNoSuchImage(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	has, err := e.HasImage(ctx, "quadrate-no-such-image:1")
	require.NoError(t, err)
	require.False(t, has)
	_, err = e.HasImage(ctx, "No Such?")
	require.ErrorContains(t, err, "No Such?")
	require.Error(t, e.Pull(ctx, "127.0.0.1:1/quadrate-no-such-image:1", nil))
}

func TestEngineKeepsNamedVolumesOnly(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	volume := fmt.Sprintf("quadrate-docker-test-%d", os.Getpid())
	t.Cleanup(func() {
		_, err := e.api.VolumeRemove(context.Background(), volume, client.VolumeRemoveOptions{})
		require.NoError(t, err)
	})
	s := realSpec("volumes")
	s.Volumes = []string{volume + ":/data"}
	c, err := e.Start(ctx, s)
	require.NoError(t, err)
	require.Empty(t, get(t, c.Address, "/write?path=/data/x"))
	made, err := e.api.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	require.NoError(t, err)
	unnamed := ""
	for _, m := range made.Container.Mounts {
		if m.Destination == "/scratch" {
			unnamed = m.Name
		}
	}
	require.NotEmpty(t, unnamed)
	require.NoError(t, e.Stop(ctx, c.ID, 5*time.Second))
	_, err = e.api.VolumeInspect(ctx, unnamed, client.VolumeInspectOptions{})
	require.True(t, errdefs.IsNotFound(err), "%v", err)

	s.Volumes = []string{volume + ":/data:ro"}
	c, err = e.Start(ctx, s)
	require.NoError(t, err)
	require.Equal(t, "kept", get(t, c.Address, "/read?path=/data/x"))
	require.Contains(t, get(t, c.Address, "/write?path=/data/x"), "read-only")
	require.NoError(t, e.Stop(ctx, c.ID, 5*time.Second))
}

func TestEngineReachesContainersByNameInItsOwnNetwork(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	network := fmt.Sprintf("quadrate-docker-test-%d", os.Getpid())
	_, err := e.api.NetworkCreate(ctx, network, client.NetworkCreateOptions{Driver: "bridge"})
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, c := range must(e.List(context.Background())) {
			require.NoError(t, e.Stop(context.Background(), c.ID, 0))
		}
		_, err := e.api.NetworkRemove(context.Background(), network, client.NetworkRemoveOptions{})
		require.NoError(t, err)
	})
	s := realSpec("self")
	s.Network = network
	self, err := e.Start(ctx, s) // not in a container, this process reaches it by its IP address
	require.NoError(t, err)
	require.Equal(t, "here", get(t, self.Address, "/"))

	within, err := New(Options{Host: e.host, Instance: e.instance})
	require.NoError(t, err)
	within.own = func() string { return self.ID[:12] }
	other, err := within.Start(ctx, realSpec("other"))
	require.NoError(t, err)
	require.Equal(t, other.Name+":8000", other.Address)
	require.Equal(t, "here", get(t, self.Address, "/fetch?url="+url.QueryEscape("http://"+other.Address)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestEngineOnTheDefaultBridgeIsReachedByItsAddress(t *testing.T) {
	e, ctx := realEngine(t), limited(t)
	self, err := e.Start(ctx, realSpec("self"))
	require.NoError(t, err)
	within, err := New(Options{Host: e.host, Instance: e.instance})
	require.NoError(t, err)
	within.own = func() string { return self.ID }
	other, err := within.Start(ctx, realSpec("other"))
	require.NoError(t, err)
	at, err := netip.ParseAddrPort(other.Address)
	require.NoError(t, err)
	require.False(t, at.Addr().IsLoopback())
	require.Equal(t, uint16(8000), at.Port())
	require.Equal(t, "here", get(t, self.Address, "/fetch?url="+url.QueryEscape("http://"+other.Address)))
}
