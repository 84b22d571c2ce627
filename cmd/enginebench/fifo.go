package main

import (
	"context"
	"sync"

	"github.com/quadrate-maas/quadrate/internal/workload"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// fifoBatch is the most that one batch of the emulation holds.
const fifoBatch = 8

// fifo emulates a server that batches in order of arrival: texts are tokenised by their callers,
// and one session takes at most eight that wait, pads them to the longest and runs them. That is
// the policy of text-embeddings-inference's ONNX back end, with our tokenizer and session
// options, and without HTTP: it shows what the policy costs, not what that server does.
type fifo struct {
	subject *subject
	alone   *alone
	queue   chan fifoItem
	worker  sync.WaitGroup

	real, padded int // tokens; read after close
}

type fifoItem struct {
	ctx      context.Context //nolint:containedctx // of the caller that waits for this item
	encoding tokenizer.Encoding
	done     chan<- error
}

func newFIFO(s *subject, a *alone) *fifo {
	f := &fifo{subject: s, alone: a, queue: make(chan fifoItem, 4096)}
	f.worker.Go(f.work)
	return f
}

// close waits for the worker; no call may be under way.
func (f *fifo) close() {
	close(f.queue)
	f.worker.Wait()
}

// do answers one request.
func (f *fifo) do(ctx context.Context, t workload.Texts) error {
	items, err := f.subject.encode(ctx, t)
	if err != nil {
		return err
	}
	done := make(chan error, len(items))
	for _, item := range items {
		f.queue <- fifoItem{ctx, item, done}
	}
	for range items {
		if failed := <-done; failed != nil {
			err = failed
		}
	}
	return err
}

func (f *fifo) work() {
	for item := range f.queue {
		taken := []fifoItem{item}
	gather:
		for len(taken) < fifoBatch {
			select {
			case next, more := <-f.queue:
				if !more {
					break gather
				}
				taken = append(taken, next)
			default:
				break gather
			}
		}
		encodings := make([]tokenizer.Encoding, len(taken))
		for i, t := range taken {
			encodings[i] = t.encoding
			f.real += t.encoding.Len()
		}
		batch := f.alone.pad(encodings)
		f.padded += batch.Rows * batch.Length
		_, err := f.alone.session.Run(item.ctx, batch)
		for _, t := range taken {
			t.done <- err
		}
	}
}
