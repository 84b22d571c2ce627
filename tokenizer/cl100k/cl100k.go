// Package cl100k turns token ids of OpenAI's vocabulary cl100k_base back into text, offline.
// Clients send such ids whatever the model is.
//
// It deliberately does not know which vocabulary the ids of a request belong to.
package cl100k

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// size is one more than the largest id of a piece of text.
const size = 100256

// specials are the ids above. Clients that let special tokens pass make them of these words
// in a text, so the words are what they stand for here.
var specials = map[uint32]string{
	100257: "<|endoftext|>", 100258: "<|fim_prefix|>", 100259: "<|fim_middle|>", 100260: "<|fim_suffix|>", 100276: "<|endofprompt|>",
}

// IDError names an id that the vocabulary does not have.
type IDError struct {
	Position int // among the ids
	ID       uint32
}

func (e *IDError) Error() string {
	return fmt.Sprintf("token id %d at position %d is not one of cl100k_base", e.ID, e.Position)
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
	var text strings.Builder
	run := make([]uint, 0, len(ids)) // ids of text that have not been written yet
	write := func() error {
		part, err := vocabulary().Decode(run)
		if err != nil {
			return fmt.Errorf("cl100k_base: %w", err)
		}
		text.WriteString(part)
		run = run[:0]
		return nil
	}
	for i, id := range ids {
		if id < size {
			run = append(run, uint(id))
			continue
		}
		word, ok := specials[id]
		if !ok {
			return "", &IDError{Position: i, ID: id}
		}
		if err := write(); err != nil {
			return "", err
		}
		text.WriteString(word)
	}
	if err := write(); err != nil {
		return "", err
	}
	return text.String(), nil
}
