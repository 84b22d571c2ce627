package inference

import "github.com/quadrate-maas/quadrate/tokenizer"

// padder lays encodings out as one right-padded batch.
type padder struct {
	padID int64
	types bool
	// positions says that the graph does not count them by itself; the first is offset.
	positions bool
	offset    int64
}

func newPadder(m *Manifest) padder {
	p := padder{padID: m.PadID, types: m.takes(inputTypes), positions: m.takes(inputPositions)}
	if m.derived != nil {
		p.offset = m.derived.offset
	}
	return p
}

// pad makes a [len(items), longest item] batch.
func (p padder) pad(items []tokenizer.Encoding) Batch {
	b := Batch{Rows: len(items)}
	for _, item := range items {
		b.Length = max(b.Length, item.Len())
	}
	size := b.Rows * b.Length
	b.IDs, b.Mask = make([]int64, size), make([]int64, size)
	if p.types {
		b.Types = make([]int64, size)
	}
	if p.positions {
		b.Positions = make([]int64, size)
	}
	for i, item := range items {
		p.row(b, i, item)
	}
	return b
}

func (p padder) row(b Batch, i int, item tokenizer.Encoding) {
	at := i * b.Length
	for j, id := range item.IDs {
		b.IDs[at+j] = int64(id)
		b.Mask[at+j] = 1
	}
	if p.padID != 0 {
		for j := item.Len(); j < b.Length; j++ {
			b.IDs[at+j] = p.padID
		}
	}
	if p.positions {
		p.count(b.Positions[at:at+b.Length], item.Len())
	}
	if p.types {
		for j, t := range item.Types {
			b.Types[at+j] = int64(t)
		}
	}
}

// count numbers n tokens from the offset on. Padding has the last position before it, which
// RoBERTa's family keeps for this, or 0.
func (p padder) count(positions []int64, n int) {
	for j := range positions {
		positions[j] = max(p.offset-1, 0)
		if j < n {
			positions[j] = p.offset + int64(j)
		}
	}
}
