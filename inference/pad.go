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
func (p padder) pad(items []tokenizer.Encoding) Batch { return p.padIn(&buffer{}, items) }

// padIn makes the batch in the arrays of a buffer, which belong to the batch from then on.
func (p padder) padIn(buf *buffer, items []tokenizer.Encoding) Batch {
	b := Batch{Rows: len(items), Memory: buf.values}
	for _, item := range items {
		b.Length = max(b.Length, item.Len())
	}
	size := b.Rows * b.Length
	buf.ids, buf.mask = resized(buf.ids, size), resized(buf.mask, size)
	b.IDs, b.Mask = buf.ids, buf.mask
	if p.types {
		buf.types = resized(buf.types, size)
		b.Types = buf.types
	}
	if p.positions {
		buf.positions = resized(buf.positions, size)
		b.Positions = buf.positions
	}
	for i, item := range items {
		p.row(b, i, item)
	}
	return b
}

// row writes every number of row i: what was there is another batch's.
func (p padder) row(b Batch, i int, item tokenizer.Encoding) {
	start, end := i*b.Length, (i+1)*b.Length
	ids, mask := b.IDs[start:end], b.Mask[start:end]
	for j, id := range item.IDs {
		ids[j], mask[j] = int64(id), 1
	}
	for j := item.Len(); j < b.Length; j++ {
		ids[j], mask[j] = p.padID, 0
	}
	if p.positions {
		p.count(b.Positions[start:end], item.Len())
	}
	if p.types {
		types := b.Types[start:end]
		for j, t := range item.Types {
			types[j] = int64(t)
		}
		clear(types[len(item.Types):])
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
