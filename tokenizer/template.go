package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Template is where a model's special tokens go. The zero value places none.
type Template struct {
	single, pair layout
}

// sequence says what stands at a place of a layout.
type sequence uint8

const (
	special sequence = iota
	sequenceA
	sequenceB
)

// piece is a place for a sequence, or special tokens.
type piece struct {
	sequence sequence
	ids      []uint32 // special tokens
	typeID   uint8
}

// layout is the order of pieces in a row.
type layout struct {
	pieces   []piece
	specials int  // number of special tokens
	typed    bool // some token type id is not 0
}

func newLayout(pieces ...piece) layout {
	l := layout{pieces: pieces}
	for _, p := range pieces {
		l.specials += len(p.ids)
		l.typed = l.typed || p.typeID != 0
	}
	return l
}

func (t Template) forSingle() layout {
	if t.single.pieces == nil {
		return newLayout(piece{sequence: sequenceA})
	}
	return t.single
}

// forPair falls back on what Hugging Face's tokenizers do without a post-processor: one
// sequence after the other, of types 0 and 1.
func (t Template) forPair() layout {
	if t.pair.pieces == nil {
		return newLayout(piece{sequence: sequenceA}, piece{sequence: sequenceB, typeID: 1})
	}
	return t.pair
}

func (l layout) largestID() uint32 {
	var largest uint32
	for _, p := range l.pieces {
		for _, id := range p.ids {
			largest = max(largest, id)
		}
	}
	return largest
}

// join lays a row out; b is not used by the layout of a single.
func (l layout) join(a, b []uint32) Encoding {
	n := len(a) + len(b) + l.specials
	e := Encoding{IDs: make([]uint32, 0, n)}
	if l.typed {
		e.Types = make([]uint8, n)
	}
	for _, p := range l.pieces {
		ids := p.ids
		switch p.sequence {
		case sequenceA:
			ids = a
		case sequenceB:
			ids = b
		}
		start := len(e.IDs)
		e.IDs = append(e.IDs, ids...)
		if p.typeID != 0 {
			for i := range ids {
				e.Types[start+i] = p.typeID
			}
		}
	}
	return e
}

// check asserts that each sequence of a layout appears once, A before B.
func (l layout) check(name string, sequences ...sequence) error {
	var seen []sequence
	for _, p := range l.pieces {
		if p.sequence != special {
			seen = append(seen, p.sequence)
		}
	}
	if len(seen) == len(sequences) {
		for i := range seen {
			if seen[i] != sequences[i] {
				return fmt.Errorf("%s: sequence A must stand before sequence B", name)
			}
		}
		return nil
	}
	if len(sequences) == 1 {
		return fmt.Errorf("%s: sequence A must appear exactly once, and no other", name)
	}
	return fmt.Errorf("%s: sequences A and B must appear exactly once each", name)
}

// ParseTemplate reads the template from post_processor of a tokenizer.json: a
// TemplateProcessing, BertProcessing or RobertaProcessing, alone or in a Sequence with
// ByteLevel, which moves offsets only. Without a post-processor there are no special tokens.
func ParseTemplate(tokenizerJSON []byte) (Template, error) {
	var file struct {
		PostProcessor json.RawMessage `json:"post_processor"`
	}
	if err := json.Unmarshal(tokenizerJSON, &file); err != nil {
		return Template{}, fmt.Errorf("tokenizer.json: %w", err)
	}
	t, err := parseProcessor(file.PostProcessor)
	if err != nil {
		return Template{}, fmt.Errorf("tokenizer.json: post_processor: %w", err)
	}
	return t, nil
}

func parseProcessor(raw json.RawMessage) (Template, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return Template{}, nil
	}
	var p struct {
		Type       string            `json:"type"`
		Processors []json.RawMessage `json:"processors"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return Template{}, err
	}
	switch p.Type {
	case "TemplateProcessing":
		return parseTemplateProcessing(raw)
	case "BertProcessing", "RobertaProcessing":
		return parseFixed(raw, p.Type == "RobertaProcessing")
	case "ByteLevel":
		return Template{}, nil
	case "Sequence":
		return parseSequence(p.Processors)
	}
	return Template{}, fmt.Errorf("type %q is not supported: it must be TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of these", p.Type)
}

// parseSequence lets one processor of a sequence add special tokens.
func parseSequence(processors []json.RawMessage) (Template, error) {
	var found Template
	for i, raw := range processors {
		t, err := parseProcessor(raw)
		if err != nil {
			return Template{}, fmt.Errorf("processors[%d]: %w", i, err)
		}
		if t.single.pieces == nil {
			continue
		}
		if found.single.pieces != nil {
			return Template{}, fmt.Errorf("processors[%d]: only one processor of a Sequence may add special tokens", i)
		}
		found = t
	}
	return found, nil
}

// namedID is a special token written as ["[CLS]", 101].
type namedID struct {
	name string
	id   *uint32
}

func (n *namedID) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&n.name, &n.id})
}

func parseFixed(raw json.RawMessage, roberta bool) (Template, error) {
	var p struct {
		Cls namedID `json:"cls"`
		Sep namedID `json:"sep"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return Template{}, err
	}
	if p.Cls.id == nil || p.Sep.id == nil {
		return Template{}, errors.New(`cls and sep must each be a pair of token and id, as in ["[CLS]", 101]`)
	}
	cls, sep := piece{ids: []uint32{*p.Cls.id}}, piece{ids: []uint32{*p.Sep.id}}
	a, b := piece{sequence: sequenceA}, piece{sequence: sequenceB}
	t := Template{single: newLayout(cls, a, sep)}
	if roberta {
		t.pair = newLayout(cls, a, sep, sep, b, sep)
		return t, nil
	}
	last := sep
	b.typeID, last.typeID = 1, 1
	t.pair = newLayout(cls, a, sep, b, last)
	return t, nil
}
