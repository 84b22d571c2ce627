package inference

import (
	"slices"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// padder lays encodings out as one right-padded batch.
type padder struct {
	padID int64
	types bool
}

func newPadder(m *Manifest) padder {
	return padder{padID: m.PadID, types: slices.Contains(m.Inputs, "token_type_ids")}
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
	if p.types {
		for j, t := range item.Types {
			b.Types[at+j] = int64(t)
		}
	}
}
