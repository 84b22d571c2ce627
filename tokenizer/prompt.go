package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PairPrompt is how a generative reranker is shown a pair. A row is Prefix, the ids of
// QueryPrefix + query + QuerySuffix as one text, the ids of DocumentPrefix + document as one
// text, Suffix. The model's own template has no part in it.
type PairPrompt struct {
	Prefix, Suffix           []uint32
	QueryPrefix, QuerySuffix string
	DocumentPrefix           string
}

// prompt is a PairPrompt with the ids of its texts.
type prompt struct {
	PairPrompt
	query, document frame
}

func (t *Tokenizer) newPrompt(p PairPrompt) (_ *prompt, err error) {
	out := &prompt{PairPrompt: p}
	if out.query, err = t.newFrame(p.QueryPrefix, p.QuerySuffix); err != nil {
		return nil, fmt.Errorf("tokenizer: pair prompt: %w", err)
	}
	if out.document, err = t.newFrame(p.DocumentPrefix, ""); err != nil {
		return nil, fmt.Errorf("tokenizer: pair prompt: %w", err)
	}
	return out, nil
}

func (p *prompt) layout() layout {
	return newLayout(piece{ids: p.Prefix}, piece{sequence: sequenceA}, piece{sequence: sequenceB}, piece{ids: p.Suffix})
}

// fixed is the number of tokens of a row whose query and document are empty.
func (p *prompt) fixed() int {
	return len(p.Prefix) + p.query.fixed() + p.document.fixed() + len(p.Suffix)
}

// frame is the fixed text around one that varies.
type frame struct {
	prefix, suffix string
	head, tail     []uint32 // their ids by themselves, a space at the prefix's end left out
}

func (t *Tokenizer) newFrame(prefix, suffix string) (frame, error) {
	// The space belongs to the first word of the text that follows.
	head, errHead := t.encoder.Encode(strings.TrimRight(prefix, " "))
	tail, errTail := t.encoder.Encode(suffix)
	return frame{prefix: prefix, suffix: suffix, head: slices.Clip(head), tail: tail}, errors.Join(errHead, errTail)
}

func (f frame) fixed() int { return len(f.head) + len(f.tail) }

// framed is a text's ids within a frame: rest is all that follows head, to the end of tail.
type framed struct {
	frame
	rest []uint32
	more bool // rest lacks some of the text
}

// in encodes a text within a frame, of which want.tokens are wanted.
func (t *Tokenizer) in(f frame, text string, want extent) (framed, error) {
	c, err := t.content(f.prefix+text+f.suffix, want)
	if err != nil {
		return framed{}, err
	}
	if c.more && want.side == KeepEnd {
		return framed{frame: f, rest: c.ids, more: true}, nil
	}
	n := 0
	for n < len(f.head) && n < len(c.ids) && c.ids[n] == f.head[n] {
		n++
	}
	f.head = c.ids[:n:n]
	rest := c.ids[n:]
	if c.more {
		rest = append(rest[:len(rest):len(rest)], f.tail...)
	}
	return framed{frame: f, rest: rest, more: c.more}, nil
}

func (f framed) len() int { return len(f.head) + len(f.rest) }

// cut returns n ids at most, the frame's among them.
func (f framed) cut(n int, side Side) []uint32 {
	if n >= f.len() {
		return append(f.head, f.rest...)
	}
	if side == KeepEnd {
		return append(f.head[:len(f.head):len(f.head)], keep(f.rest, n-len(f.head), side)...)
	}
	out := append(f.head, keep(f.rest, n-len(f.head)-len(f.tail), side)...)
	return append(out, f.tail...)
}

// promptPairs is one call of Pairs with a prompt.
type promptPairs struct {
	t     *Tokenizer
	p     *prompt
	limit int
	room  int // tokens beside Prefix and Suffix
	tr    Truncation
	query framed
}

func (p *promptPairs) encodeQuery(query string) (err error) {
	p.query, err = p.t.in(p.p.query, query, extent{tokens: p.room, side: p.tr.Side, exact: p.tr.Refuse})
	if err != nil {
		return fmt.Errorf("tokenizer: query: %w", err)
	}
	if p.tr.Refuse && (p.query.more || p.query.len()+p.p.document.fixed() > p.room) {
		return &TooLongError{Query: true, Tokens: p.limit - p.room + p.query.len(), Limit: p.limit, AtLeast: p.query.more}
	}
	return nil
}

func (p *promptPairs) encode(i int, document string) (Encoding, error) {
	doc, cut, err := p.document(document)
	if err != nil {
		return Encoding{}, atItem(i, err)
	}
	n1, n2 := p.share(p.query.len(), doc.len())
	long := p.query.more || doc.more || n1 < p.query.len() || n2 < doc.len()
	if long && p.tr.Refuse {
		tokens := p.limit - p.room + p.query.len() + doc.len()
		return Encoding{}, &TooLongError{Index: i, Tokens: tokens, Limit: p.limit, AtLeast: doc.more}
	}
	e := p.t.pair.join(p.query.cut(n1, p.tr.Side), doc.cut(n2, p.tr.Side))
	e.Truncated = cut || long
	return e, nil
}

// document encodes a document and reports whether Truncation.Text has cut it.
func (p *promptPairs) document(text string) (framed, bool, error) {
	want := extent{tokens: p.room, side: p.tr.Side, exact: p.tr.Refuse}
	if p.tr.Text > 0 && p.tr.Text <= p.room {
		want.tokens, want.exact = p.tr.Text+len(p.p.document.head), false
	}
	doc, err := p.t.in(p.p.document, text, want)
	if err != nil || p.tr.Text <= 0 || len(doc.rest) <= p.tr.Text {
		return doc, false, err
	}
	doc.rest, doc.more = keep(doc.rest, p.tr.Text, p.tr.Side), false
	return doc, true, nil
}

// share returns how many of n1 tokens of the query and n2 of the document are kept. The
// document gives way, as it does where query and document are cut as one text, down to a
// quarter of the room: a query that is longer than the rest is cut too, so that there is
// something to judge.
func (p *promptPairs) share(n1, n2 int) (int, int) {
	if n1+n2 <= p.room {
		return n1, n2
	}
	least := min(n2, max(p.room/4, p.p.document.fixed()+1))
	n1 = min(n1, max(p.room-least, p.p.query.fixed()+1))
	return n1, min(n2, p.room-n1)
}
