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

// Spans are those of the words.
func (f *fakeEncoder) Spans(text string) ([]uint32, []Span, error) {
	ids, err := f.Encode(text)
	var spans []Span
	at := 0
	for _, word := range strings.Fields(text) {
		start := at + strings.Index(text[at:], word)
		at = start + len(word)
		spans = append(spans, Span{Start: start, Stop: at})
	}
	return ids, spans, err
}

// Decode writes "w7" for token 7, and "special" for 101 and 102 where they are not left out.
func (f *fakeEncoder) Decode(ids []uint32, skipSpecial bool) (string, error) {
	f.calls.Add(1)
	var words []string
	for _, id := range ids {
		switch special := id == 101 || id == 102; {
		case id == badID:
			return "", errFake
		case special && !skipSpecial:
			words = append(words, "special")
		case !special:
			words = append(words, "w"+strconv.Itoa(int(id)))
		}
	}
	return strings.Join(words, " "), nil
}

// badID has no text.
const badID = 666

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
