package proxy

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// maxFault bounds what is read of an answer that is no success.
const maxFault = 64 << 10

// errTooLarge says that an answer is larger than its limit; what was read is good.
var errTooLarge = errors.New("the answer is larger than its limit")

// Answers are read whole, into memory that is used again: sizes are powers of two from
// 1<<minClass bytes to 1<<maxClass, and what is larger is not kept.
const (
	minClass = 12
	maxClass = 22
)

var pools [maxClass - minClass + 1]sync.Pool

// buffer is memory for one answer.
type buffer struct {
	bytes []byte
	class int // -1: not of a pool
}

// newBuffer returns an empty buffer for size bytes, or for the largest size that is kept.
func newBuffer(size int64) *buffer {
	class := max(minClass, bits.Len64(uint64(max(size, 1)-1)))
	if class > maxClass {
		return &buffer{bytes: make([]byte, 0, 1<<class), class: -1}
	}
	if b, ok := pools[class-minClass].Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, 1<<class), class: class}
}

func (b *buffer) release() {
	if b.class >= 0 {
		b.bytes = b.bytes[:0]
		pools[b.class-minClass].Put(b)
	}
}

// readBody reads a body to its end, or fails with errTooLarge and its beginning. size is what its
// header says, -1 if that says nothing. It is not believed beyond the largest size that is kept:
// the rest of the memory is taken as the bytes come.
func readBody(body io.Reader, size, limit int64) (*buffer, error) {
	if size > limit {
		// Its beginning, as far as the limit.
		b := newBuffer(min(limit, maxFault))
		n, _ := io.ReadFull(body, b.bytes[:min(limit, int64(cap(b.bytes)))])
		b.bytes = b.bytes[:n]
		return b, errTooLarge
	}
	if size < 0 {
		size = 32 << 10
	}
	b := newBuffer(min(size, 1<<maxClass))
	for {
		if len(b.bytes) == cap(b.bytes) {
			b = b.grown()
		}
		n, err := body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case int64(len(b.bytes)) > limit:
			b.bytes = b.bytes[:limit]
			return b, errTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// grown returns a buffer twice as large, in the place of b.
func (b *buffer) grown() *buffer {
	larger := newBuffer(2 * int64(cap(b.bytes)))
	larger.bytes = append(larger.bytes, b.bytes...)
	b.release()
	return larger
}
