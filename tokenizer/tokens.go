package tokenizer

import (
	"context"
	"strings"
)

// Span is a part of a text in bytes, [Start, Stop).
type Span struct{ Start, Stop int }

// Token is a token as people read it.
type Token struct {
	ID uint32
	// Text is the part of the text that the token stands for, with U+FFFD for what is not UTF-8;
	// of a special token its name.
	Text string
	// Special says that the template put it there; Span is zero then.
	Special bool
	Span
}

// Tokens returns the tokens of each text behind prefix, uncut, with the special tokens of the
// template if they are asked for. Places are counted from the prefix's beginning. The result
// has len(texts) entries, in input order. Errors are the context's and the encoder's; that of
// the first text at fault.
func (t *Tokenizer) Tokens(ctx context.Context, texts []string, prefix string, special bool) ([][]Token, error) {
	out := make([][]Token, len(texts))
	err := t.gate.each(ctx, len(texts), func(i int) (err error) {
		out[i], err = t.tokens(prefix+texts[i], special)
		return atItem(i, err)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (t *Tokenizer) tokens(text string, special bool) ([]Token, error) {
	ids, spans, err := t.encoder.Spans(text)
	if err != nil {
		return nil, err
	}
	list := make([]Token, 0, len(ids)+t.single.specials)
	for _, p := range t.single.pieces {
		if p.sequence == sequenceA {
			for i, id := range ids {
				part := strings.ToValidUTF8(text[spans[i].Start:spans[i].Stop], "\ufffd")
				list = append(list, Token{ID: id, Text: part, Span: spans[i]})
			}
		}
		for _, id := range p.ids {
			if !special {
				break
			}
			name, err := t.encoder.Decode([]uint32{id}, false)
			if err != nil {
				return nil, err
			}
			list = append(list, Token{ID: id, Text: name, Special: true})
		}
	}
	return list, nil
}

// Decode returns the text of each list of ids, in order; with skipSpecial special tokens are
// left out, wherever they come from. Errors: IDError, DecodeError and the context's; that of the
// first list at fault.
func (t *Tokenizer) Decode(ctx context.Context, lists [][]uint32, skipSpecial bool) ([]string, error) {
	out := make([]string, len(lists))
	err := t.gate.each(ctx, len(lists), func(i int) (err error) {
		for p, id := range lists[i] {
			if int64(id) >= int64(t.vocab) {
				return &IDError{Index: i, Position: p, ID: id, VocabSize: t.vocab}
			}
		}
		if out[i], err = t.encoder.Decode(lists[i], skipSpecial); err != nil {
			return &DecodeError{Index: i, Cause: err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
