package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Files are looked at when nothing has happened in their folders for settle, or after longest
// if something happens all the time.
const (
	settle  = 100 * time.Millisecond
	longest = time.Second
)

// Watch calls changed whenever the content of one of a configuration's sources has changed since
// the configuration was read, until ctx ends; then it returns nil. An error says that the files
// cannot be watched, now or any more.
//
// It watches the files' folders, and those that links lead to, not the files: an editor puts a
// new file in the old one's place, and Kubernetes turns a link of a folder's. A file that is not
// there may come. The folders of a certificate and its key may be closed to the server, as
// Debian's /etc/ssl/private is to whoever may read a key in it: they are looked at when another
// source changes, and so are all. Several changes in a row are one, and a file that is written
// anew with the same content has not changed.
func Watch(ctx context.Context, cfg *Config, changed func()) error {
	return watch(ctx, &watched{files: cfg.sources, hidden: cfg.pem, seen: cfg.sums}, changed, func() {})
}

// watch calls set when all changes are seen from now on.
func watch(ctx context.Context, t *watched, changed, set func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("config: watching files: %w", err)
	}
	defer w.Close() //nolint:errcheck // nothing is lost
	t.add = w.Add
	differs, err := t.look()
	if err != nil {
		return err
	}
	if differs {
		changed()
	}
	set()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	debounce(ctx, w.Events, w.Errors, func() {
		if differs, err = t.look(); err != nil {
			cancel()
		} else if differs {
			changed()
		}
	})
	return err
}

// debounce calls look when events have settled, until ctx ends or the events do. An error is as
// good as an event: events may have been lost.
func debounce(ctx context.Context, events <-chan fsnotify.Event, faults <-chan error, look func()) {
	var due <-chan time.Time
	var first time.Time
	for {
		var open bool
		select {
		case <-ctx.Done():
			return
		case <-due:
			due = nil
			look()
			continue
		case _, open = <-events:
		case _, open = <-faults:
		}
		if !open {
			return
		}
		if due == nil {
			first = time.Now()
		}
		due = time.After(min(settle, longest-time.Since(first)))
	}
}

// watched is what Watch knows of the files.
type watched struct {
	files  []string
	hidden []string // those of them whose folders may be closed
	add    func(folder string) error
	seen   map[string][sha256.Size]byte // the content of those that can be read
}

// look reads the files and watches the folders that they are in now. It reports whether content
// differs from that of the last look.
func (t *watched) look() (differs bool, err error) {
	// Watch first, read then: what changes in between makes an event.
	for _, file := range t.files {
		if err := t.watch(file); err != nil {
			return false, err
		}
	}
	now := map[string][sha256.Size]byte{}
	for _, file := range t.files {
		if content, err := readBounded(file); err == nil {
			now[file] = sha256.Sum256(content)
		}
	}
	differs = len(now) != len(t.seen)
	for file, sum := range now {
		if before, there := t.seen[file]; !there || before != sum {
			differs = true
		}
	}
	t.seen = now
	return differs, nil
}

// watch watches the folders that a file is in, also where they change at this moment.
func (t *watched) watch(file string) error {
	var set []string
	for {
		all := folders(file)
		if slices.Equal(all, set) {
			return nil
		}
		for _, folder := range all {
			err := t.add(folder)
			closed := errors.Is(err, fs.ErrPermission) && slices.Contains(t.hidden, file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !closed {
				return fmt.Errorf("config: watching %s: %w", folder, err)
			}
		}
		set = all
	}
}

// folders are those in which a change may change what the file's path leads to: its own, and
// those of all links on the way. One that is not there is replaced by the nearest that is.
func folders(file string) []string {
	const links = 40 // as many as Linux follows
	var all []string
	for range links {
		folder := filepath.Dir(file)
		for _, err := os.Stat(folder); err != nil && folder != filepath.Dir(folder); _, err = os.Stat(folder) {
			folder = filepath.Dir(folder)
		}
		all = append(all, folder)
		to, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(file), to)
		}
		file = to
	}
	return all
}
