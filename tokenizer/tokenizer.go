package tokenizer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Encoder turns text into content token ids, without special tokens. It accepts any string,
// also one that is not valid UTF-8, and is safe for concurrent use. Ids are below
// VocabSize.
type Encoder interface {
	Encode(text string) ([]uint32, error)
	// Spans is Encode with the part of text that each id stands for, in bytes. They begin in
	// ascending order, and may overlap or be empty.
	Spans(text string) ([]uint32, []Span, error)
	// Decode returns the text of ids, which are below VocabSize, with or without special tokens.
	Decode(ids []uint32, skipSpecial bool) (string, error)
	VocabSize() int
	Close() error
}

// Encoding is one row of a model's input, special tokens included, without padding.
type Encoding struct {
	IDs []uint32
	// Types has len(IDs) token type ids; nil: all 0.
	Types []uint8
	// Truncated says that the row lacks some of the text.
	Truncated bool
}

// Len is the number of tokens.
func (e Encoding) Len() int { return len(e.IDs) }

// Side says which end of a text that is too long is kept.
type Side int

// The sides.
const (
	KeepStart Side = iota // the end is cut
	KeepEnd
)

// Truncation says what happens to a text that is too long.
type Truncation struct {
	// Limit is the most tokens of an Encoding, special tokens included. 0, or more than the
	// model's: the model's.
	Limit int
	// Text cuts each text, of a pair the document, to so many tokens beforehand, special tokens
	// and prefix not counted. That is never refused. 0: no such limit.
	Text int
	Side Side
	// Refuse answers with a TooLongError in place of cutting.
	Refuse bool
}

// Options makes a Tokenizer.
type Options struct {
	// Encoder stays its maker's, who closes it after the last call.
	Encoder Encoder
	// Template places the special tokens; the zero value places none.
	Template Template
	// PairPrompt lays pairs out in place of the template; nil: the template does.
	PairPrompt *PairPrompt
	// MaxLength is the model's limit in tokens, special tokens included.
	MaxLength int
	// Gate is shared by all tokenizers of a process; nil: one of its own, of GOMAXPROCS.
	Gate *Gate
}

// Tokenizer makes a model's input rows. It is safe for concurrent use.
type Tokenizer struct {
	encoder      Encoder
	vocab        int
	single, pair layout
	prompt       *prompt // nil: pairs are laid out by the template
	maxLength    int
	gate         *Gate
}

// New checks the template against the encoder's vocabulary and MaxLength against the template.
func New(o Options) (*Tokenizer, error) {
	if o.Encoder == nil {
		return nil, errors.New("tokenizer: an Encoder is required")
	}
	t := &Tokenizer{
		encoder: o.Encoder, vocab: o.Encoder.VocabSize(),
		single: o.Template.forSingle(), pair: o.Template.forPair(),
		maxLength: o.MaxLength, gate: o.Gate,
	}
	if t.gate == nil {
		t.gate = NewGate(0)
	}
	least := max(t.single.specials, t.pair.specials)
	if o.PairPrompt != nil {
		var err error
		if t.prompt, err = t.newPrompt(*o.PairPrompt); err != nil {
			return nil, err
		}
		t.pair = t.prompt.layout()
		// A query and a document of one token each.
		least = max(t.single.specials, t.prompt.fixed()+1)
	}
	var errs []error
	if o.MaxLength <= least {
		errs = append(errs, fmt.Errorf("tokenizer: a maximum length of %d tokens leaves no room for text: the template adds %d special tokens",
			o.MaxLength, least))
	}
	for _, l := range []layout{t.single, t.pair} {
		if id := l.largestID(); int64(id) >= int64(t.vocab) {
			errs = append(errs, fmt.Errorf("tokenizer: the template's special token id %d is not below the vocabulary's size of %d", id, t.vocab))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// MaxLength is the most tokens of an Encoding, special tokens included.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

// Text is one text, or its ids in the model's own vocabulary.
type Text struct {
	Text string
	// IDs, when not nil, is used in place of Text. It holds content tokens only.
	IDs []uint32
}

// Singles encodes each text by itself, behind prefix (the model's prompt, or ""). The prefix
// counts as a part of the text; before IDs its own ids are put. The result has len(texts)
// entries, in input order. Errors: TooLongError, IDError, LimitError, the context's, and the
// encoder's; that of the first item at fault.
func (t *Tokenizer) Singles(ctx context.Context, texts []Text, prefix string, tr Truncation) ([]Encoding, error) {
	limit, err := t.limit(t.single.specials, tr)
	if err != nil {
		return nil, err
	}
	s := singles{t: t, prefix: prefix, limit: limit, tr: tr, prefixIDs: sync.OnceValues(func() ([]uint32, error) {
		// The ids of a text that follows begin at a word, and its space belongs to them.
		return t.encoder.Encode(strings.TrimRight(prefix, " "))
	})}
	out := make([]Encoding, len(texts))
	err = t.gate.each(ctx, len(texts), func(i int) (err error) {
		out[i], err = s.encode(i, texts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// singles is one call of Singles.
type singles struct {
	t         *Tokenizer
	prefix    string
	prefixIDs func() ([]uint32, error)
	limit     int
	tr        Truncation
}

func (s *singles) encode(i int, text Text) (Encoding, error) {
	room := s.limit - s.t.single.specials
	c, cut, err := s.content(i, text, room)
	if err != nil {
		return Encoding{}, err
	}
	long := c.more || len(c.ids) > room
	if long && s.tr.Refuse {
		return Encoding{}, &TooLongError{Index: i, Tokens: len(c.ids) + s.t.single.specials, Limit: s.limit, AtLeast: c.more}
	}
	e := s.t.single.join(keep(c.ids, room, s.tr.Side), nil)
	e.Truncated = cut || long
	return e, nil
}

// content returns an item's tokens behind the prefix, and reports whether Truncation.Text has
// cut it.
func (s *singles) content(i int, text Text, room int) (content, bool, error) {
	switch {
	case text.IDs != nil:
		c, err := s.given(i, text.IDs)
		return c, false, err
	case s.tr.Text <= 0:
		c, err := s.t.content(s.prefix+text.Text, extent{tokens: room, side: s.tr.Side, exact: s.tr.Refuse})
		return c, false, atItem(i, err)
	}
	c, cut, err := s.t.limited(text.Text, room, s.tr)
	if err != nil {
		return content{}, false, atItem(i, err)
	}
	c.ids, err = s.behindPrefix(c.ids)
	return c, cut, err
}

// given checks ids of the model's own vocabulary.
func (s *singles) given(i int, ids []uint32) (content, error) {
	for p, id := range ids {
		if int64(id) >= int64(s.t.vocab) {
			return content{}, &IDError{Index: i, Position: p, ID: id, VocabSize: s.t.vocab}
		}
	}
	ids, err := s.behindPrefix(ids)
	return content{ids: ids}, err
}

func (s *singles) behindPrefix(ids []uint32) ([]uint32, error) {
	if s.prefix == "" {
		return ids, nil
	}
	before, err := s.prefixIDs()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: prefix: %w", err)
	}
	return append(before[:len(before):len(before)], ids...), nil
}

// limit is the most tokens of one row, of which fixed are not the texts'.
func (t *Tokenizer) limit(fixed int, tr Truncation) (int, error) {
	if tr.Limit <= 0 || tr.Limit > t.maxLength {
		return t.maxLength, nil
	}
	if tr.Limit <= fixed {
		return 0, &LimitError{Limit: tr.Limit, Specials: fixed}
	}
	return tr.Limit, nil
}

func atItem(i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tokenizer: item %d: %w", i, err)
}
