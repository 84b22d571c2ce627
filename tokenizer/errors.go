package tokenizer

import (
	"errors"
	"fmt"
)

// ErrClosed is wrapped by the error of an Encoder after Close.
var ErrClosed = errors.New("tokenizer: the encoder is closed")

// TooLongError says that truncation was refused and an item does not fit.
type TooLongError struct {
	// Index is the item's place among the texts or documents. It is 0 when Query is set.
	Index int
	// Tokens counts the item's tokens, special tokens included; for a pair, the query's too.
	Tokens int
	// Limit is how many tokens are allowed, special tokens included.
	Limit int
	// Query says that the query is too long by itself, whatever the document.
	Query bool
	// AtLeast says that Tokens is a lower bound, which need not be above Limit: the text
	// is so long that counting it would cost more than the answer is worth.
	AtLeast bool
}

func (e *TooLongError) Error() string {
	item := fmt.Sprintf("item %d", e.Index)
	if e.Query {
		item = "the query"
	}
	if !e.AtLeast {
		return fmt.Sprintf("%s has %d tokens, special tokens included; the limit is %d", item, e.Tokens, e.Limit)
	}
	return fmt.Sprintf("%s is far longer than the limit of %d tokens: %d were counted, and not to its end",
		item, e.Limit, e.Tokens)
}

// IDError says that an item given as token ids holds one that the vocabulary has not.
type IDError struct {
	Index     int // of the item
	Position  int // within the item
	ID        uint32
	VocabSize int
}

func (e *IDError) Error() string {
	return fmt.Sprintf("item %d: token id %d at position %d is not below the vocabulary's size of %d",
		e.Index, e.ID, e.Position, e.VocabSize)
}

// LimitError says that Truncation.Limit leaves no room beside the special tokens.
type LimitError struct {
	Limit    int
	Specials int // special tokens that the template adds
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("a limit of %d tokens leaves no room for text: the model adds %d special tokens", e.Limit, e.Specials)
}

// DecodeError says that a list of ids of the vocabulary has no text.
type DecodeError struct {
	Index int // of the list
	Cause error
}

func (e *DecodeError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Cause) }

// Unwrap returns the encoder's error.
func (e *DecodeError) Unwrap() error { return e.Cause }
