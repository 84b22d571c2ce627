// Package cl100k turns token ids of OpenAI's vocabulary cl100k_base back into text, offline.
// Clients send such ids whatever the model is.
//
// It deliberately does not know which vocabulary the ids of a request belong to.
package cl100k

import (
	"fmt"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// size is one more than the largest id of a piece of text. Ids above are special tokens,
// which stand for no text.
const size = 100256

// IDError names an id that stands for no text.
type IDError struct {
	Position int // among the ids
	ID       uint32
}

func (e *IDError) Error() string {
	return fmt.Sprintf("token id %d at position %d is not one of cl100k_base, whose text ids are below %d", e.ID, e.Position, size)
}

// vocabulary is made at the first use, as it takes tens of megabytes.
var vocabulary = sync.OnceValue(func() *codec.Codec {
	c := codec.NewCl100kBase()
	c.SetErrorMode(codec.ErrorModeReplace)
	return c
})

// Decode returns the text of ids; "" for none. A character cut in two, as clients do that
// split by tokens, becomes U+FFFD. It is safe for concurrent use.
func Decode(ids []uint32) (string, error) {
	wide := make([]uint, len(ids))
	for i, id := range ids {
		if id >= size {
			return "", &IDError{Position: i, ID: id}
		}
		wide[i] = uint(id)
	}
	text, err := vocabulary().Decode(wide)
	if err != nil {
		return "", fmt.Errorf("cl100k_base: %w", err)
	}
	return text, nil
}
