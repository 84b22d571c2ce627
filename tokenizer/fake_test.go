package tokenizer

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const fakeVocab = 1 << 20

// fakeEncoder splits at white space; the word "w7" is token 7, any other word is token 1.
type fakeEncoder struct {
	onEncode func(text string) error
	calls    atomic.Int64
	bytes    atomic.Int64
}

var _ Encoder = (*fakeEncoder)(nil)

func (f *fakeEncoder) Encode(text string) ([]uint32, error) {
	f.calls.Add(1)
	f.bytes.Add(int64(len(text)))
	if f.onEncode != nil {
		if err := f.onEncode(text); err != nil {
			return nil, err
		}
	}
	var ids []uint32
	for _, word := range strings.Fields(text) {
		id := uint64(1)
		if number, ok := strings.CutPrefix(word, "w"); ok {
			id, _ = strconv.ParseUint(number, 10, 32)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

func (f *fakeEncoder) VocabSize() int { return fakeVocab }
func (f *fakeEncoder) Close() error   { return nil }

// words returns the text "w<from> … w<from+n-1>" and its ids.
func words(from, n int) (string, []uint32) {
	var b strings.Builder
	ids := make([]uint32, n)
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		ids[i] = uint32(from + i)
		b.WriteString("w" + strconv.Itoa(from+i))
	}
	return b.String(), ids
}

func wordText(from, n int) string {
	text, _ := words(from, n)
	return text
}

const bertProcessor = `{"type":"TemplateProcessing",
	"single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
	"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},
		{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],
	"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[101],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[102],"tokens":["[SEP]"]}}}`

const robertaProcessor = `{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":true}`

func withProcessor(processor string) []byte {
	return []byte(`{"version":"1.0","post_processor":` + processor + `,"model":{}}`)
}

func newFake(t *testing.T, processor string, maxLength int, f *fakeEncoder) *Tokenizer {
	t.Helper()
	template, err := ParseTemplate(withProcessor(processor))
	require.NoError(t, err)
	tok, err := New(Options{Encoder: f, Template: template, MaxLength: maxLength, Gate: NewGate(4)})
	require.NoError(t, err)
	return tok
}

var errFake = errors.New("the fake fails")

func seq(parts ...[]uint32) []uint32 {
	var out []uint32
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func id(ids ...uint32) []uint32 { return ids }
