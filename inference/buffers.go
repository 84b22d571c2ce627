package inference

// buffers are the arrays of runs, kept for the next one. There are never more than runs at the
// same time have needed, and each is as large as the largest batch that it has held.
type buffers struct {
	idle chan *buffer
}

// buffer is the arrays of one run.
type buffer struct {
	ids, mask, types, positions []int64
	values                      []float32
}

func newBuffers(size int) *buffers { return &buffers{idle: make(chan *buffer, size)} }

func (p *buffers) get() *buffer {
	select {
	case b := <-p.idle:
		return b
	default:
		return &buffer{}
	}
}

// put takes a buffer back that nothing reads or writes any more.
func (p *buffers) put(b *buffer) {
	select {
	case p.idle <- b:
	default:
	}
}

// resized returns s with length n, or another one; what is in it is undefined.
func resized[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}

// sharedRow bounds the memory that one row keeps from being freed, which a cache of rows counts
// on: only rows that are shorter lie together, in arrays of so many numbers.
const sharedRow = 16

// rows copies an output's rows to memory of their own, so that the output's is free for the
// next run and a caller that keeps a row does not keep those of others.
func (o Output) rows(n int) [][]float32 {
	rows := make([][]float32, n)
	each := max(sharedRow/max(o.Width, 1), 1)
	for start := 0; start < n; start += each {
		end := min(start+each, n)
		block := Output{Width: o.Width, Values: make([]float32, (end-start)*o.Width)}
		copy(block.Values, o.Values[start*o.Width:end*o.Width])
		for i := start; i < end; i++ {
			rows[i] = block.Row(i - start)
		}
	}
	return rows
}
