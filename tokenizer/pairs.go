package tokenizer

import (
	"context"
	"errors"
	"fmt"
)

// Pairs encodes the query with each document; the query's ids are made once. The result has
// len(documents) entries, in input order. A document of more than Truncation.Text
// tokens is cut to so many first. What is then longer
// than the limit is cut longest first: the longer of query and document loses tokens until
// they are equally long or fit, and then both lose alike, as the strategy longest_first of
// Hugging Face's tokenizers does it. Only when both are far longer than the row is the odd
// token of an odd budget not bound to go to the longer, as their lengths are not counted.
// Errors are those of Singles.
//
// With a PairPrompt the document alone is cut, from three quarters of the row on the query too
// (promptPairs.share), and the fixed parts stay whole.
func (t *Tokenizer) Pairs(ctx context.Context, query string, documents []string, tr Truncation) ([]Encoding, error) {
	p, err := t.pairCoder(tr)
	if err != nil {
		return nil, err
	}
	err = t.gate.each(ctx, 1, func(int) error { return p.encodeQuery(query) })
	if err != nil {
		return nil, err
	}
	out := make([]Encoding, len(documents))
	err = t.gate.each(ctx, len(documents), func(i int) (err error) {
		out[i], err = p.encode(i, documents[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Input is one text, or a pair of them.
type Input struct {
	Text string
	Pair *string // nil: one text
}

// Inputs encodes each input by itself: a text as Singles does, a pair as Pairs does with one
// document. The result has len(inputs) entries, in input order. Errors are those of Singles.
func (t *Tokenizer) Inputs(ctx context.Context, inputs []Input, tr Truncation) ([]Encoding, error) {
	limit, err := t.limit(t.single.specials, tr)
	if err != nil {
		return nil, err
	}
	s := singles{t: t, limit: limit, tr: tr}
	out := make([]Encoding, len(inputs))
	err = t.gate.each(ctx, len(inputs), func(i int) (err error) {
		if in := inputs[i]; in.Pair != nil {
			out[i], err = t.couple(i, in.Text, *in.Pair, tr)
		} else {
			out[i], err = s.encode(i, Text{Text: in.Text})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// couple encodes the pair that is item i.
func (t *Tokenizer) couple(i int, a, b string, tr Truncation) (Encoding, error) {
	p, err := t.pairCoder(tr)
	if err != nil {
		return Encoding{}, err
	}
	if err := p.encodeQuery(a); err != nil {
		var long *TooLongError
		if errors.As(err, &long) {
			long.Index, long.Query = i, false
			return Encoding{}, long
		}
		return Encoding{}, atItem(i, err)
	}
	return p.encode(i, b)
}

// pairCoder is one call of Pairs.
type pairCoder interface {
	encodeQuery(query string) error
	encode(i int, document string) (Encoding, error)
}

func (t *Tokenizer) pairCoder(tr Truncation) (pairCoder, error) {
	if t.prompt != nil {
		limit, err := t.limit(t.prompt.fixed()+1, tr)
		return &promptPairs{t: t, p: t.prompt, limit: limit, room: limit - t.pair.specials, tr: tr}, err
	}
	limit, err := t.limit(t.pair.specials, tr)
	return &pairs{t: t, limit: limit, room: limit - t.pair.specials, tr: tr}, err
}

// pairs is one call of Pairs without a prompt.
type pairs struct {
	t     *Tokenizer
	limit int
	room  int // tokens beside the special ones
	tr    Truncation
	query content
}

func (p *pairs) encodeQuery(query string) (err error) {
	p.query, err = p.t.content(query, extent{tokens: p.room, side: p.tr.Side, exact: p.tr.Refuse})
	if err != nil {
		return fmt.Errorf("tokenizer: query: %w", err)
	}
	if p.tr.Refuse && (p.query.more || len(p.query.ids) > p.room) {
		return &TooLongError{Query: true, Tokens: len(p.query.ids) + p.t.pair.specials, Limit: p.limit, AtLeast: p.query.more}
	}
	return nil
}

func (p *pairs) encode(i int, document string) (Encoding, error) {
	doc, cut, err := p.t.limited(document, p.room, p.tr)
	if err != nil {
		return Encoding{}, atItem(i, err)
	}
	n1, n2 := longestFirst(len(p.query.ids), len(doc.ids), p.room)
	long := p.query.more || doc.more || n1 < len(p.query.ids) || n2 < len(doc.ids)
	if long && p.tr.Refuse {
		tokens := len(p.query.ids) + len(doc.ids) + p.t.pair.specials
		return Encoding{}, &TooLongError{Index: i, Tokens: tokens, Limit: p.limit, AtLeast: doc.more}
	}
	e := p.t.pair.join(keep(p.query.ids, n1, p.tr.Side), keep(doc.ids, n2, p.tr.Side))
	e.Truncated = cut || long
	return e, nil
}

// limited encodes a text that has room tokens and reports whether Truncation.Text has cut it.
func (t *Tokenizer) limited(text string, room int, tr Truncation) (content, bool, error) {
	want := extent{tokens: room, side: tr.Side, exact: tr.Refuse}
	if tr.Text > 0 && tr.Text <= room {
		want.tokens, want.exact = tr.Text, false
	}
	c, err := t.content(text, want)
	if err != nil || tr.Text <= 0 || len(c.ids) <= tr.Text {
		return c, false, err
	}
	return content{ids: keep(c.ids, tr.Text, tr.Side)}, true, nil
}

// longestFirst returns how many of n1 and n2 tokens are kept so that both fit into room.
// The shorter is spared until the longer is as short; the odd token goes to the longer,
// and to the second of two equals.
func longestFirst(n1, n2, room int) (int, int) {
	if n1+n2 <= room {
		return n1, n2
	}
	if n1 > n2 {
		n2, n1 = longestFirst(n2, n1, room)
		return n1, n2
	}
	if 2*n1 <= room {
		return n1, room - n1
	}
	return room / 2, room/2 + room%2
}
