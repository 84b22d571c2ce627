//go:build cgo

package hf

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/daulet/tokenizers"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// Spans is Encode with the bytes of text that each token stands for. What Encode leaves out or
// replaces is counted as it stands in text.
func (e *Encoder) Spans(text string) ([]uint32, []tokenizer.Span, error) {
	cleaned := clean(text)
	options := []tokenizers.EncodeOption{tokenizers.WithReturnOffsets()}
	if e.trims != nil {
		options = append(options, tokenizers.WithReturnTokens())
	}
	out, err := e.encode(cleaned, options...)
	if err != nil {
		return nil, nil, err
	}
	spans := make([]tokenizer.Span, len(out.IDs))
	for i, o := range out.Offsets {
		spans[i] = tokenizer.Span{Start: int(o[0]), Stop: int(o[1])}
		if e.trims != nil {
			spans[i] = e.trims.trim(spans[i], out.Tokens[i], i == 0)
		}
	}
	if cleaned != text {
		newOrigins(text, len(cleaned)).restore(spans)
	}
	return out.IDs, spans, nil
}

// Decode returns the text of ids. It fails where that would hold a NUL character, which the
// library cannot give.
func (e *Encoder) Decode(ids []uint32, skipSpecial bool) (string, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.native == nil {
		return "", ErrClosed
	}
	text, err := e.native.DecodeErr(ids, skipSpecial)
	if err != nil {
		return "", fmt.Errorf("tokenizer: the library could not decode %d ids: %w", len(ids), err)
	}
	return text, nil
}

// origins tells where the bytes of a cleaned text come from: byte i from those between first[i]
// and last[i] of the text as it was.
type origins struct{ first, last []int }

func newOrigins(text string, cleaned int) origins {
	o := origins{first: make([]int, 0, cleaned+1), last: make([]int, 0, cleaned)}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case r == 0:
		case r == utf8.RuneError && size == 1: // three bytes stand for this one
			o.first = append(o.first, at, at, at)
			o.last = append(o.last, at+1, at+1, at+1)
		default:
			for k := range size {
				o.first = append(o.first, at+k)
				o.last = append(o.last, at+k+1)
			}
		}
		at += size
	}
	o.first = append(o.first, len(text))
	return o
}

// restore turns places in the cleaned text into those in the text as it was.
func (o origins) restore(spans []tokenizer.Span) {
	for i, s := range spans {
		spans[i].Start, spans[i].Stop = o.first[s.Start], o.first[s.Start]
		if s.Stop > s.Start {
			spans[i].Stop = o.last[s.Stop-1]
		}
	}
}

// trims says that the file's post-processor, which an Encoder is made without, takes the spaces
// that begin and end a token of byte-level BPE out of its place.
type trims struct {
	// prefixed says that the space which begins a text is none of the text's own.
	prefixed bool
}

// parseTrims reads post_processor of a tokenizer.json; nil: places are left as they are.
func parseTrims(raw json.RawMessage) *trims {
	var p struct {
		Type       string            `json:"type"`
		Prefixed   *bool             `json:"add_prefix_space"`
		Trims      *bool             `json:"trim_offsets"`
		Processors []json.RawMessage `json:"processors"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &p) != nil {
		return nil // what is wrong with it, ParseTemplate says
	}
	switch p.Type {
	case "ByteLevel", "RobertaProcessing":
		if p.Trims == nil || *p.Trims {
			return &trims{prefixed: p.Prefixed == nil || *p.Prefixed}
		}
	case "Sequence":
		for _, next := range p.Processors {
			if t := parseTrims(next); t != nil {
				return t
			}
		}
	}
	return nil
}

// trim does what Hugging Face's process_offsets does.
func (t *trims) trim(s tokenizer.Span, token string, first bool) tokenizer.Span {
	letters := []rune(token)
	leading, trailing := 0, 0
	for leading < len(letters) && isSpace(letters[leading]) {
		leading++
	}
	for trailing < len(letters) && isSpace(letters[len(letters)-1-trailing]) {
		trailing++
	}
	if (first || s.Start == 0) && t.prefixed && leading == 1 {
		leading = 0
	}
	s.Start = min(s.Start+leading, s.Stop)
	if s.Stop >= trailing {
		s.Stop = max(s.Stop-trailing, s.Start)
	}
	return s
}

// isSpace knows white space, and the letter that byte-level BPE writes for a space.
func isSpace(r rune) bool { return r == 'Ġ' || unicode.IsSpace(r) }
