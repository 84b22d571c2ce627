package config

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"
)

func TestDebounce(t *testing.T) {
	run := func(t *testing.T, script func(events chan<- fsnotify.Event, faults chan<- error)) (looks []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			events, faults := make(chan fsnotify.Event), make(chan error)
			start, done := time.Now(), make(chan struct{})
			go func() {
				defer close(done)
				debounce(ctx, events, faults, func() { looks = append(looks, time.Since(start)) })
			}()
			script(events, faults)
			time.Sleep(time.Minute) // virtual: whatever is due has been done
			cancel()
			<-done
		})
		return looks
	}
	require.Empty(t, run(t, func(chan<- fsnotify.Event, chan<- error) {}))
	require.Equal(t, []time.Duration{settle}, run(t, func(events chan<- fsnotify.Event, _ chan<- error) {
		events <- fsnotify.Event{}
	}), "one")
	require.Equal(t, []time.Duration{settle}, run(t, func(_ chan<- fsnotify.Event, faults chan<- error) {
		faults <- errors.New("overflow")
	}), "an error may have lost events")
	require.Equal(t, []time.Duration{200*time.Millisecond + settle, 10*time.Second + settle}, run(t, func(events chan<- fsnotify.Event, _ chan<- error) {
		for range 5 {
			events <- fsnotify.Event{}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(10*time.Second - 250*time.Millisecond)
		events <- fsnotify.Event{}
	}), "a burst, and one more later")
	looks := run(t, func(events chan<- fsnotify.Event, _ chan<- error) {
		for range 50 {
			events <- fsnotify.Event{}
			time.Sleep(50 * time.Millisecond)
		}
	})
	require.Equal(t, longest, looks[0], "it does not wait for ever for quiet")
	require.Len(t, looks, 3)
}

func TestDebounceEndsWithTheEvents(t *testing.T) {
	events := make(chan fsnotify.Event)
	close(events)
	debounce(t.Context(), events, nil, func() { t.Error("looked") })
}

// seen knows files as they are.
func seen(t *testing.T, files ...string) *watched {
	t.Helper()
	w := &watched{files: files, add: func(string) error { return nil }}
	_, err := w.look()
	require.NoError(t, err)
	return w
}

// watching watches files and returns a channel that has a value for each change. All of them
// must have been taken at the end.
func watching(t *testing.T, files ...string) <-chan struct{} {
	t.Helper()
	changes, done, set := make(chan struct{}, 100), make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- watch(ctx, seen(t, files...), func() { changes <- struct{}{} }, func() { close(set) })
	}()
	<-set
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.Empty(t, changes)
	})
	return changes
}

// put writes a file in one step, in place of what is there.
func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+"~", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+"~", path))
}

func TestWatchSeesFilesComeAndGo(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	changes := watching(t, one, other)
	for _, change := range []func(){
		func() { put(t, one, "one") },
		func() { put(t, other, "one") },
		func() { put(t, one, "two") },
		func() { require.NoError(t, os.Remove(one)) },
		func() { put(t, one, "two") },
	} {
		change()
		<-changes
	}
}

func TestWatchSeesWhatIsWrittenInPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	put(t, file, "one")
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, watch(ctx, seen(t, file), cancel, func() {
		require.NoError(t, os.WriteFile(file, []byte("two"), 0o600))
	}))
}

func TestWatchSeesAVolumeOfKubernetes(t *testing.T) {
	dir := t.TempDir()
	volume := func(name string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		put(t, filepath.Join(dir, name, "a.yaml"), name)
		require.NoError(t, os.Symlink(name, filepath.Join(dir, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	volume("..1")
	require.NoError(t, os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
	changes := watching(t, filepath.Join(dir, "a.yaml"))
	for _, name := range []string{"..2", "..3"} {
		volume(name)
		<-changes
	}
}

func TestWatchFollowsLinksAndWaitsForFolders(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, filepath.Join(elsewhere, "a.yaml"), "one")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "a.yaml"), filepath.Join(dir, "a.yaml")))
	later := filepath.Join(dir, "very", "late", "b.yaml")
	changes := watching(t, filepath.Join(dir, "a.yaml"), later)
	put(t, filepath.Join(elsewhere, "a.yaml"), "two")
	<-changes
	require.NoError(t, os.MkdirAll(filepath.Dir(later), 0o700))
	put(t, later, "three")
	<-changes
	put(t, later, "four")
	<-changes
}

func TestSameContentIsNoChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	w := &watched{files: []string{file, file + ".absent"}, add: func(string) error { return nil }}
	look := func() bool {
		differs, err := w.look()
		require.NoError(t, err)
		return differs
	}
	require.False(t, look(), "nothing there")
	put(t, file, "one")
	require.True(t, look())
	put(t, file, "one")
	require.False(t, look())
	put(t, file, "two")
	require.True(t, look())
	require.NoError(t, os.Rename(file, file+".absent"))
	require.True(t, look(), "the same content elsewhere")
	require.False(t, look())
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Watch(ctx, mustLoad(t, minimal), func() { t.Error("changed") }))
}

// What has changed since the configuration was read, before it was watched, is a change.
func TestWatchBeginsWhereTheConfigurationWasRead(t *testing.T) {
	dir := workspace(t, map[string]string{DefaultFile: minimal, ".env": "A=1", "secret": "x"})
	cfg, err := Load(LoadOptions{Dir: dir, Environ: []string{"QUADRATE_RATE_LIMITS_STORE=file:secret"}})
	require.ErrorContains(t, err, "store")
	require.Nil(t, cfg)
	put(t, filepath.Join(dir, "secret"), "redis://localhost")
	for _, name := range []string{DefaultFile, ".env", "secret", "configs/routing.yaml"} {
		cfg, err = Load(LoadOptions{Dir: dir, Environ: []string{"QUADRATE_RATE_LIMITS_STORE=file:secret"}})
		require.NoError(t, err)
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = file.WriteString("\n")
		require.NoError(t, err)
		require.NoError(t, file.Close())
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, Watch(ctx, cfg, cancel), name)
		require.NoError(t, t.Context().Err())
	}
}

// The folder of a key may be closed to who may read the key; its content is looked at all the same.
func TestACertificatesFolderMayBeClosed(t *testing.T) {
	dir := workspace(t, map[string]string{DefaultFile: minimal + "\nserver: {tls: {cert: cert.pem, key: private/key.pem}}\n", "cert.pem": "a", "private/key.pem": "b"})
	cfg, err := Load(LoadOptions{Dir: dir})
	require.NoError(t, err)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "private", "key.pem")
	require.Subset(t, cfg.Sources(), []string{cert, key})
	closed := func(folder string) error {
		if folder == filepath.Dir(key) {
			return fs.ErrPermission
		}
		return nil
	}
	w := &watched{files: cfg.sources, hidden: cfg.pem, add: closed, seen: cfg.sums}
	differs, err := w.look()
	require.NoError(t, err)
	require.False(t, differs)
	put(t, key, "c")
	differs, err = w.look()
	require.NoError(t, err)
	require.True(t, differs)
	w.hidden = nil
	_, err = w.look()
	require.ErrorIs(t, err, fs.ErrPermission, "of any other file it is an error")
}

func TestWatchThatCannot(t *testing.T) {
	w := &watched{files: []string{filepath.Join(t.TempDir(), "a")}, add: func(string) error { return errors.New("no space left on device") }}
	_, err := w.look()
	require.ErrorContains(t, err, "config: watching "+filepath.Dir(w.files[0])+": no space left on device")
}
