//go:build cgo

package hf

/*
#cgo LDFLAGS: -L${SRCDIR}/../../var/lib
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void give_back(void) { malloc_trim(0); }
#else
static void give_back(void) {}
#endif
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/daulet/tokenizers"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// ErrClosed is the answer of an Encoder after Close.
var ErrClosed = tokenizer.ErrClosed

// Encoder makes content token ids of texts. It is safe for concurrent use: the library's
// tokenizer does not change after it is loaded, but for caches that lock themselves.
type Encoder struct {
	vocab int
	trims *trims // nil: places are the library's

	// mu lets Close wait for the calls under way, as it frees what they read.
	mu     sync.RWMutex
	native *tokenizers.Tokenizer
}

var _ tokenizer.Encoder = (*Encoder)(nil)

// New loads a tokenizer.json. The file's own truncation and padding are taken out, and so is
// its post-processor: it has nothing to add to content tokens, but copies them. The bytes
// are not kept.
func New(tokenizerJSON []byte) (*Encoder, error) {
	data, err := tokenizer.Without(tokenizerJSON, "truncation", "padding", "post_processor")
	if err != nil {
		return nil, err
	}
	var file struct {
		AddedTokens []struct {
			ID uint32 `json:"id"`
		} `json:"added_tokens"`
		PostProcessor json.RawMessage `json:"post_processor"`
	}
	if err := json.Unmarshal(tokenizerJSON, &file); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	native, err := tokenizers.FromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	e := &Encoder{native: native, vocab: int(native.VocabSize()), trims: parseTrims(file.PostProcessor)}
	for _, t := range file.AddedTokens {
		e.vocab = max(e.vocab, int(t.ID)+1)
	}
	return e, nil
}

// VocabSize is the number of tokens; where added tokens stand behind a gap in the ids, one
// more than the largest of theirs.
func (e *Encoder) VocabSize() int { return e.vocab }

// Encode returns the ids of text, nil for a text without any token. NUL characters are left
// out; each byte that is not UTF-8 counts as U+FFFD, as encoding/json has it.
func (e *Encoder) Encode(text string) ([]uint32, error) {
	// Of the library's calls this one copies the ids alone.
	out, err := e.encode(clean(text))
	return out.IDs, err
}

// encode encodes a text that is clean.
func (e *Encoder) encode(text string, options ...tokenizers.EncodeOption) (tokenizers.Encoding, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.native == nil {
		return tokenizers.Encoding{}, ErrClosed
	}
	out, err := e.native.EncodeWithOptionsErr(text, false, options...)
	if err != nil {
		err = fmt.Errorf("tokenizer: the library could not encode a text of %d bytes: %w", len(text), err)
	}
	return out, err
}

// Close frees the tokenizer when the calls under way have ended. A second Close does nothing.
func (e *Encoder) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.native == nil {
		return nil
	}
	err := e.native.Close()
	e.native = nil
	// A large vocabulary is millions of small blocks (250,000 entries: up to 1 GB), which
	// glibc keeps for itself when they are freed.
	C.give_back()
	return err
}

// clean makes text safe to pass as a C string, which ends at its first NUL.
func clean(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
	}
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}
