package inference

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// wordEncoder makes one id of each word, by its hash; ids 0 to 3 are special.
type wordEncoder struct{ closed bool }

var _ tokenizer.Encoder = (*wordEncoder)(nil)

const wordVocab = 1 << 16

func (*wordEncoder) Encode(text string) ([]uint32, error) {
	var ids []uint32
	for _, word := range strings.Fields(text) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(word))
		ids = append(ids, 4+h.Sum32()%(wordVocab-4))
	}
	return ids, nil
}

// Spans are those of the words.
func (e *wordEncoder) Spans(text string) ([]uint32, []tokenizer.Span, error) {
	ids, err := e.Encode(text)
	var spans []tokenizer.Span
	at := 0
	for _, word := range strings.Fields(text) {
		start := at + strings.Index(text[at:], word)
		at = start + len(word)
		spans = append(spans, tokenizer.Span{Start: start, Stop: at})
	}
	return ids, spans, err
}

// Decode writes ids as numbers; there is no text for badID.
func (*wordEncoder) Decode(ids []uint32, skipSpecial bool) (string, error) {
	var words []string
	for _, id := range ids {
		if id == badID {
			return "", errors.New("no text")
		}
		if id > 3 || !skipSpecial {
			words = append(words, strconv.Itoa(int(id)))
		}
	}
	return strings.Join(words, " "), nil
}

const badID = 666

func (*wordEncoder) VocabSize() int { return wordVocab }

func (e *wordEncoder) Close() error {
	e.closed = true
	return nil
}

// fakeSession computes, for each row, the mean over its real tokens of sin(id × (k+1)) for
// the number k: like a model, it depends on every token of its row and on no other row.
type fakeSession struct {
	width   int
	before  func(ctx context.Context, b Batch) error // may fail or block a run
	spoil   func(row []float32)                      // changes an answer
	closing time.Duration                            // that Close takes

	mu     sync.Mutex
	rows   int
	runs   int
	under  int // runs under way
	ended  *sync.Cond
	closed bool
}

var _ Session = (*fakeSession)(nil)

func (s *fakeSession) Run(ctx context.Context, b Batch) (Output, error) {
	s.mu.Lock()
	s.under++
	defer s.end()
	s.rows += b.Rows
	s.runs++
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, b); err != nil {
			return Output{}, err
		}
	}
	out := Output{Width: s.width, Values: resized(b.Memory, b.Rows*s.width)}
	for i := range b.Rows {
		s.row(b, i, out.Row(i))
		if s.spoil != nil {
			s.spoil(out.Row(i))
		}
	}
	return out, nil
}

func (s *fakeSession) row(b Batch, i int, out []float32) {
	for k := range out {
		var sum, count float64
		for j := i * b.Length; j < (i+1)*b.Length; j++ {
			if b.Mask[j] == 1 {
				sum += math.Sin(float64(b.IDs[j]) * float64(k+1))
				count++
			}
		}
		out[k] = float32(sum / count)
	}
}

func (s *fakeSession) Close() error {
	time.Sleep(s.closing)
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.ended = sync.NewCond(&s.mu); s.under > 0; {
		s.ended.Wait()
	}
	s.closed = true
	return nil
}

func (s *fakeSession) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under--; s.ended != nil {
		s.ended.Broadcast()
	}
}

func (s *fakeSession) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// counted returns how many rows were computed since the last call.
func (s *fakeSession) counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.rows
	s.rows = 0
	return rows
}

const tokenizerJSON = `{"version":"1.0","truncation":{"max_length":4},"padding":{"strategy":{"Fixed":4}},"model":{},
"post_processor":{"type":"TemplateProcessing",
 "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
 "pair":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}},{"Sequence":{"id":"B","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
 "special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[2],"tokens":["</s>"]}}}}`

const (
	fakeWidth     = 8
	fakeMaxLength = 32
)

// fakeManifest is the manifest of a model whose graph is a fakeSession.
func fakeManifest(task models.Task) *Manifest {
	width := fakeWidth
	if task == models.TaskRerank {
		width = 1
	}
	m := &Manifest{
		Format: 1, Source: "some/source", Task: task, Architecture: "xlm-roberta", Dimensions: width, MaxLength: fakeMaxLength, VocabSize: wordVocab, PadID: 1,
		Inputs: []string{"input_ids", "attention_mask"}, Output: "out", Created: time.Unix(1700000000, 0).UTC(),
		Prompts:  map[string]string{"query": "query: ", "document": "text: "},
		Variants: map[string]Variant{"fp32": {File: "model.onnx", Tolerance: Tolerance{MaxAbs: 1e-5, MinCosine: 0.9999}}},
	}
	if task == models.TaskClassify {
		m.Labels, m.Activation = numbered(width), softmaxed
	}
	for _, text := range []string{"reference", "a reference of five words"} {
		r := Reference{Text: text}
		content, _ := (&wordEncoder{}).Encode(text)
		r.IDs = slices.Concat([]uint32{0}, content, []uint32{2})
		if task == models.TaskRerank {
			r.Pair = "pair"
			pair, _ := (&wordEncoder{}).Encode(r.Pair)
			r.IDs = slices.Concat(r.IDs, []uint32{2}, pair, []uint32{2})
		}
		out, _ := (&fakeSession{width: width}).Run(context.Background(), newPadder(m).pad([]tokenizer.Encoding{{IDs: r.IDs}}))
		r.Output = out.Row(0)
		m.Reference = append(m.Reference, r)
	}
	return m
}

// modelDir writes a model's folder.
func modelDir(t testing.TB, m *Manifest) string {
	t.Helper()
	dir := t.TempDir()
	data, err := json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestFile), data, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(tokenizerJSON), 0o600))
	for _, v := range m.Variants {
		if v.Tokens != nil && filepath.IsLocal(v.Tokens.File) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, v.Tokens.File), nil, 0o600))
		}
	}
	return dir
}

func fakeDeps(s Session) Deps {
	return Deps{
		NewSession: func(cfg SessionConfig) (Session, error) {
			if cfg.Provider != ProviderCPU {
				return nil, ErrProvider
			}
			return s, nil
		},
		NewEncoder:     func([]byte) (tokenizer.Encoder, error) { return &wordEncoder{}, nil },
		Gate:           tokenizer.NewGate(2),
		RequestTimeout: 30 * time.Second,
	}
}

// open opens a model over a fake session and closes it when the test ends.
func open(t testing.TB, task models.Task, s *fakeSession, change func(*models.Spec, *Deps, *Manifest)) Model {
	t.Helper()
	m, deps := fakeManifest(task), fakeDeps(s)
	s.width = m.Dimensions
	spec := models.Spec{Name: "test/model"}
	if change != nil {
		change(&spec, &deps, m)
	}
	spec.Path = modelDir(t, m)
	model, err := Open(t.Context(), spec, deps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	s.counted()
	return model
}

func openEmbedding(t testing.TB, s *fakeSession) *Embedding {
	return open(t, models.TaskEmbed, s, nil).(*Embedding)
}

func openCrossEncoder(t testing.TB, s *fakeSession) *CrossEncoder {
	return open(t, models.TaskRerank, s, nil).(*CrossEncoder)
}

func wantKind(t *testing.T, err error, kind models.Kind, param string) {
	t.Helper()
	var e *models.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, err)
	require.Equal(t, param, e.Param, err)
}
