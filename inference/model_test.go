package inference

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

func TestEmbeddingKeepsTheContract(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	modelstest.RunEmbedder(t, m, modelstest.Options{})
	modelstest.RunReranker(t, m, modelstest.Options{})
}

func TestCrossEncoderKeepsTheContract(t *testing.T) {
	modelstest.RunReranker(t, openCrossEncoder(t, &fakeSession{}), modelstest.Options{})
}

func TestInfo(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	require.Equal(t, models.Info{Dimensions: fakeWidth, MaxLength: fakeMaxLength, ScoreKind: models.ScoreCosine, Variant: "fp32",
		Backend: "onnxruntime", Provider: "cpu", Placed: 1, Prompts: []string{"document", "query"}, Created: time.Unix(1700000000, 0).UTC(), Checked: models.CheckedReferences}, m.Info())
	require.Equal(t, models.StateReady, m.Status().State)
	require.Equal(t, []models.Task{models.TaskEmbed, models.TaskRerank}, m.Tasks())
	c := openCrossEncoder(t, &fakeSession{})
	require.Equal(t, models.ScoreSigmoid, c.Info().ScoreKind)
	require.Zero(t, c.Info().Dimensions)
	require.Equal(t, []models.Task{models.TaskRerank}, c.Tasks())
}

func TestEqualInputsAreComputedOnce(t *testing.T) {
	s := &fakeSession{}
	m := openEmbedding(t, s)
	result, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "a b"}, {Text: "c"}, {Text: "a b"}, {Text: "a  b"}}})
	require.NoError(t, err)
	require.Equal(t, 2, s.counted())
	require.Equal(t, result.Vectors[0], result.Vectors[2])
	require.Equal(t, result.Vectors[0], result.Vectors[3])
	require.NotEqual(t, result.Vectors[0], result.Vectors[1])
	require.Equal(t, 4+3+4+4, result.Usage.PromptTokens)
}

func TestPrompts(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	vector := func(req models.EmbedRequest) []float32 {
		result, err := m.Embed(t.Context(), req)
		require.NoError(t, err)
		return result.Vectors[0]
	}
	text := func(s string) []models.Input { return []models.Input{{Text: s}} }
	require.Equal(t, vector(models.EmbedRequest{Inputs: text("query: x")}), vector(models.EmbedRequest{Inputs: text("x"), PromptName: "query"}))
	require.Equal(t, vector(models.EmbedRequest{Inputs: text("query: x")}), vector(models.EmbedRequest{Inputs: text("x"), InputType: "search_query"}))
	require.Equal(t, vector(models.EmbedRequest{Inputs: text("text: x")}), vector(models.EmbedRequest{Inputs: text("x"), InputType: "PASSAGE"}))
	require.Equal(t, vector(models.EmbedRequest{Inputs: text("x")}), vector(models.EmbedRequest{Inputs: text("x"), InputType: "clustering"}))
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: text("x"), PromptName: "nope"})
	wantKind(t, err, models.KindInvalid, "prompt_name")
	require.ErrorContains(t, err, "it has document, query")
}

func TestCosineRerankUsesThePromptsOfQueryAndDocuments(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "x y", Documents: []string{"x", "z"}})
	require.NoError(t, err)
	embed, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "query: x y"}, {Text: "text: x"}, {Text: "text: z"}}})
	require.NoError(t, err)
	require.Equal(t, models.ScoreCosine, result.Kind)
	for i, score := range result.Scores {
		require.InDelta(t, cosine(embed.Vectors[0], embed.Vectors[i+1]), score, 1e-6)
	}
}

func TestDefaultPrompt(t *testing.T) {
	m := open(t, models.TaskEmbed, &fakeSession{}, func(_ *models.Spec, _ *Deps, m *Manifest) { m.Default = "query" }).(*Embedding)
	plain, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
	require.NoError(t, err)
	named, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}, PromptName: "query"})
	require.NoError(t, err)
	require.Equal(t, named.Vectors, plain.Vectors)
}

func TestRerankScores(t *testing.T) {
	m := openCrossEncoder(t, &fakeSession{})
	req := models.RerankRequest{Query: "q", Documents: []string{"a", "b c", "d e f"}}
	probabilities, err := m.Rerank(t.Context(), req)
	require.NoError(t, err)
	req.Raw = true
	logits, err := m.Rerank(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, models.ScoreSigmoid, probabilities.Kind)
	require.Equal(t, models.ScoreLogit, logits.Kind)
	for i, logit := range logits.Scores {
		require.InDelta(t, 1/(1+math.Exp(-float64(logit))), probabilities.Scores[i], 1e-7)
	}
	require.Equal(t, 3*(1+4)+1+2+3, logits.Usage.PromptTokens)
}

func TestMaxTokensPerDocIsNeverRefused(t *testing.T) {
	for name, m := range map[string]models.Reranker{"cross-encoder": openCrossEncoder(t, &fakeSession{}), "bi-encoder": openEmbedding(t, &fakeSession{})} {
		_, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{strings.Repeat("w ", 600)}, MaxTokensPerDoc: 5, Truncate: models.TruncateNone})
		require.NoError(t, err, name)
	}
}

func TestDocumentsAreCutByCharacters(t *testing.T) {
	m := open(t, models.TaskRerank, &fakeSession{}, func(s *models.Spec, _ *Deps, _ *Manifest) { s.MaxDocumentChars = 5 }).(*CrossEncoder)
	result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"가나 다라", "가나 다라 마", "abc"}})
	require.NoError(t, err)
	require.Equal(t, result.Scores[0], result.Scores[1])
	require.Equal(t, 1, result.Usage.Truncated)
}

func TestMaxTokensPerDoc(t *testing.T) {
	for name, m := range map[string]models.Reranker{"cross-encoder": openCrossEncoder(t, &fakeSession{}), "bi-encoder": openEmbedding(t, &fakeSession{})} {
		result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a b c d", "a b c x"}, MaxTokensPerDoc: 3})
		require.NoError(t, err, name)
		require.Equal(t, result.Scores[0], result.Scores[1], name)
		require.Equal(t, 2, result.Usage.Truncated, name)
	}
}

func TestTokenIDsOutsideTheVocabulary(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}, {IDs: []uint32{5, wordVocab}}}})
	wantKind(t, err, models.KindInvalid, "input[1]")
	require.ErrorContains(t, err, "input[1][1] is token id 65536, and the vocabulary of model \"test/model\" has 65536")
}

func TestTooLong(t *testing.T) {
	long := strings.Repeat("w ", fakeMaxLength)
	_, err := openEmbedding(t, &fakeSession{}).Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}, {Text: long}}, Truncate: models.TruncateNone})
	wantKind(t, err, models.KindTooLong, "input[1]")
	require.ErrorContains(t, err, "input[1] has 34 tokens, model \"test/model\" takes 32, and truncation was refused")
	c := openCrossEncoder(t, &fakeSession{})
	_, err = c.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a", long}, Truncate: models.TruncateNone})
	wantKind(t, err, models.KindTooLong, "documents[1]")
	_, err = c.Rerank(t.Context(), models.RerankRequest{Query: long, Documents: []string{"a"}, Truncate: models.TruncateNone})
	wantKind(t, err, models.KindTooLong, "query")
}

func TestNumbersThatAreNotFiniteAreRefused(t *testing.T) {
	s := &fakeSession{}
	m := openEmbedding(t, s)
	s.spoil = func(row []float32) { row[1] = float32(math.NaN()) }
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
	wantKind(t, err, models.KindInternal, "input[0]")
}

func TestAnOpenIsRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*models.Spec, *Deps, *Manifest)
		want   string
	}{
		"wrong numbers": {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Reference[1].Output[2] += 0.1 },
			`variant fp32 on cpu: refused, because its answers are not those of the weights: reference 1 ("a reference of five words") differs by 0.`},
		"wrong direction": {func(_ *models.Spec, _ *Deps, m *Manifest) {
			m.Variants["fp32"] = Variant{File: "model.onnx", Tolerance: Tolerance{MinCosine: 0.99}}
			for i := range m.Reference[0].Output {
				m.Reference[0].Output[i] *= float32(i%2*2 - 1)
			}
		}, `to what it should be, fp32 needs 0.9900`},
		"not finite": {func(_ *models.Spec, d *Deps, _ *Manifest) {
			d.NewSession = func(SessionConfig) (Session, error) {
				return &fakeSession{width: fakeWidth, spoil: func(row []float32) { row[0] = float32(math.Inf(1)) }}, nil
			}
		}, "gave a number that is not finite"},
		"variant absent": {func(s *models.Spec, _ *Deps, _ *Manifest) { s.Variant = "int8"; s.Runtime.Provider = "cpu" },
			"variant int8 for provider cpu is not there, only fp32; make it with scripts/export_onnx.sh some/source --variant int8 --out DIR, where DIR is the model's folder"},
		"variant unknown": {func(s *models.Spec, _ *Deps, _ *Manifest) { s.Variant = "fp64"; s.Runtime.Provider = "cpu" }, "variant fp64 is not known to this version, which has fp32, fp16, bf16, int8, packed, trt"},
		"provider absent": {func(s *models.Spec, _ *Deps, _ *Manifest) { s.Runtime.Provider = "cuda" }, "execution provider not available"},
		"wrong task":      {func(s *models.Spec, _ *Deps, _ *Manifest) { s.Tasks = []models.Task{models.TaskClassify} }, "tasks names classify, but the model was made for embed and can do [embed rerank]"},
		"few labels":      {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Task, m.Labels = models.TaskClassify, []string{"a"} }, "there are 1 labels for 8 logits"},
		"an activation": {func(_ *models.Spec, _ *Deps, m *Manifest) {
			m.Task, m.Labels, m.Activation = models.TaskClassify, numbered(fakeWidth), "tanh"
		}, `activation is "tanh"; it must be softmax, sigmoid or none`},
		"unknown provider":  {func(s *models.Spec, _ *Deps, _ *Manifest) { s.Runtime.Provider = "metal" }, "execution provider not available"},
		"no tolerance":      {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Variants["fp32"] = Variant{File: "model.onnx"} }, "variant fp32 has no tolerance to check it with"},
		"another tokenizer": {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Reference[0].IDs[1]++ }, `tokenizer.json does not belong to the weights: reference 0 ("reference") gives ids [0 `},
		"other format":      {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Format = 2 }, "format is 2, this program reads 1; export the model again"},
		"no references":     {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Reference = nil }, "there are no references to check the model against"},
		"no length":         {func(_ *models.Spec, _ *Deps, m *Manifest) { m.MaxLength = 0 }, "max_length is 0; it must be 1 to 1000000"},
		"an absurd length":  {func(_ *models.Spec, _ *Deps, m *Manifest) { m.MaxLength = math.MaxInt }, "max_length is 9223372036854775807; it must be 1 to 1000000"},
		"an absurd width":   {func(_ *models.Spec, _ *Deps, m *Manifest) { m.Dimensions = 1 << 40 }, "dimensions is 1099511627776; it must be 1 to 65536"},
		"no room":           {func(s *models.Spec, _ *Deps, _ *Manifest) { s.MaxLength = 2 }, "leaves no room for text"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, s := fakeManifest(models.TaskEmbed), &fakeSession{width: fakeWidth}
			spec, deps := models.Spec{Name: "test/model"}, fakeDeps(s)
			c.change(&spec, &deps, m)
			spec.Path = modelDir(t, m)
			_, err := Open(t.Context(), spec, deps)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestASessionOfARefusedModelIsClosed(t *testing.T) {
	m, s := fakeManifest(models.TaskEmbed), &fakeSession{width: fakeWidth}
	m.Reference[0].Output[0] += 1
	_, err := Open(t.Context(), models.Spec{Name: "m", Path: modelDir(t, m)}, fakeDeps(s))
	require.Error(t, err)
	require.True(t, s.closed)
}

func TestAbsentFiles(t *testing.T) {
	_, err := Open(t.Context(), models.Spec{Name: "m", Path: t.TempDir()}, fakeDeps(&fakeSession{}))
	require.ErrorIs(t, err, ErrAbsent)
	dir := modelDir(t, fakeManifest(models.TaskEmbed))
	require.NoError(t, os.Remove(filepath.Join(dir, "tokenizer.json")))
	_, err = Open(t.Context(), models.Spec{Name: "m", Path: dir}, fakeDeps(&fakeSession{}))
	require.ErrorContains(t, err, "tokenizer.json")
}

func TestFallback(t *testing.T) {
	var events []Event
	m := open(t, models.TaskEmbed, &fakeSession{}, func(s *models.Spec, d *Deps, _ *Manifest) {
		s.Runtime = models.RuntimeSpec{Provider: "cuda", Fallback: true}
		d.OnEvent = func(ev Event) { events = append(events, ev) }
	})
	require.Equal(t, "cpu", m.Info().Provider)
	require.Equal(t, EventProviderRefused, events[0].Kind)
	require.Equal(t, EventLoaded, events[1].Kind)
}

func TestSizes(t *testing.T) {
	s := sized(models.BatcherSpec{}, ProviderCPU, 10_000, 300*time.Second)
	require.Equal(t, 1000, s.MaxTokens)
	require.Equal(t, 3_000_000, s.MaxQueuedTokens)
	require.Equal(t, 150, sized(models.BatcherSpec{MaxTokens: 150}, ProviderCPU, 10_000, time.Second).MaxTokens)
	require.Equal(t, minBatchTokens, sized(models.BatcherSpec{}, ProviderCPU, 100, time.Second).MaxTokens)
	require.Equal(t, 4*minBatchTokens, sized(models.BatcherSpec{}, ProviderCPU, 100, time.Second).MaxQueuedTokens)
	require.Equal(t, maxBatchTokens, sized(models.BatcherSpec{}, ProviderCUDA, 1e9, time.Second).MaxTokens)
	require.Equal(t, profileTokens, sized(models.BatcherSpec{}, ProviderTensorRT, 1e9, time.Second).MaxTokens)
}

// The speed is that of the undisturbed runs: measuring ends as soon as three agree, and in any
// case after a while.
func TestTheMeasuredSpeedIsThatOfUndisturbedRuns(t *testing.T) {
	for name, c := range map[string]struct {
		took []time.Duration // of each run; the last goes on
		runs int
		best time.Duration
	}{
		"quiet":         {[]time.Duration{10 * time.Millisecond}, 3, 10 * time.Millisecond},
		"disturbed":     {[]time.Duration{30 * time.Millisecond, 10 * time.Millisecond, 90 * time.Millisecond, 20 * time.Millisecond, 10 * time.Millisecond, 11 * time.Millisecond}, 6, 10 * time.Millisecond},
		"never at rest": {[]time.Duration{100 * time.Millisecond, 130 * time.Millisecond, 160 * time.Millisecond, 190 * time.Millisecond}, 4, 100 * time.Millisecond},
		"slow":          {[]time.Duration{time.Second, 2 * time.Second}, 2, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, runs := fakeManifest(models.TaskEmbed), 0
				s := &fakeSession{width: fakeWidth, before: func(context.Context, Batch) error {
					time.Sleep(c.took[min(runs, len(c.took)-1)])
					runs++
					return nil
				}}
				got, err := speed(t.Context(), s, m)
				require.NoError(t, err)
				require.InDelta(t, probeRows*fakeMaxLength/c.best.Seconds(), got, 1e-6)
				require.Equal(t, c.runs, runs)
			})
		})
	}
}

func TestRunsAreReported(t *testing.T) {
	var seen []batcher.RunStats
	m := open(t, models.TaskEmbed, &fakeSession{}, func(_ *models.Spec, d *Deps, _ *Manifest) {
		d.OnRun = func(model string, s batcher.RunStats) {
			require.Equal(t, "test/model", model)
			seen = append(seen, s)
		}
	}).(*Embedding)
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "a"}, {Text: "b c"}}})
	require.NoError(t, err)
	require.NoError(t, m.Close())
	items, size := 0, 0
	for _, s := range seen {
		items, size = items+s.Items, size+s.Size
	}
	require.Equal(t, 2, items)
	require.Equal(t, 3+4, size)
}

func TestAClosedModelRefuses(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	require.NoError(t, m.Close())
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
	wantKind(t, err, models.KindShuttingDown, "")
}

func TestBatcherErrorsBecomeTheCallers(t *testing.T) {
	e := openEmbedding(t, &fakeSession{}).engine
	for err, want := range map[error]models.Kind{
		&batcher.QueueFullError{RetryAfter: time.Second}: models.KindQueueFull,
		&batcher.TooLargeError{}:                         models.KindTooLarge,
		batcher.ErrQueueTimeout:                          models.KindQueueTimeout,
		batcher.ErrClosed:                                models.KindShuttingDown,
		batcher.ErrRunTimeout:                            models.KindUnavailable,
		context.DeadlineExceeded:                         models.KindDeadline,
		context.Canceled:                                 models.KindCanceled,
		errors.New("anything"):                           models.KindInternal,
	} {
		got := e.failure(fmt.Errorf("wrapped: %w", err), opEmbed)
		require.Equal(t, want, models.KindOf(got), err)
	}
	full := e.failure(&batcher.QueueFullError{Limit: batcher.LimitCost, Queued: 90, Asked: 20, Max: 100, RetryAfter: 3 * time.Second}, opEmbed)
	var e2 *models.Error
	require.ErrorAs(t, full, &e2)
	require.Equal(t, 3*time.Second, e2.RetryAfter)
	require.Contains(t, e2.Message, "models[].batcher.max_queued_tokens")
}

func TestAFullQueueIsSaidWithItsSetting(t *testing.T) {
	m := open(t, models.TaskEmbed, &fakeSession{}, func(s *models.Spec, _ *Deps, _ *Manifest) { s.Batcher.MaxQueuedItems = 2 }).(*Embedding)
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "a"}, {Text: "b"}, {Text: "c"}}})
	wantKind(t, err, models.KindTooLarge, "")
	require.ErrorContains(t, err, "the request has 3 items, and the whole queue of model \"test/model\" holds 2 (models[].batcher.max_queued_items)")
}

// A run that outlasts its limit is given up; the session is replaced, and the model says that
// it has failed until then.
func TestASessionThatHangsIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := &fakeSession{width: fakeWidth}
		fresh := &fakeSession{width: fakeWidth}
		opens := 0
		var events []EventKind
		m, deps := fakeManifest(models.TaskEmbed), fakeDeps(nil)
		deps.NewSession = func(cfg SessionConfig) (Session, error) {
			opens++
			switch opens {
			case 1:
				return hung, nil
			case 2:
				return nil, errors.New("the device is still busy")
			default:
				return fresh, nil
			}
		}
		deps.OnEvent = func(ev Event) { events = append(events, ev.Kind) }
		opened, err := Open(t.Context(), models.Spec{Name: "m", Path: modelDir(t, m), Runtime: models.RuntimeSpec{Provider: "cpu"}}, deps)
		require.NoError(t, err)
		model := opened.(*Embedding)
		hung.before = func(ctx context.Context, _ Batch) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		_, err = model.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
		wantKind(t, err, models.KindUnavailable, "")
		require.Equal(t, minRunLimit, time.Since(start))
		synctest.Wait()
		require.Equal(t, models.StateFailed, model.Status().State)
		require.Contains(t, model.Status().Reason, "outlasted its limit")
		require.True(t, hung.isClosed())
		time.Sleep(firstReopen)
		synctest.Wait()
		require.Equal(t, models.StateReady, model.Status().State)
		_, err = model.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
		require.NoError(t, err)
		require.NoError(t, model.Close())
		require.True(t, fresh.isClosed())
		require.Equal(t, []EventKind{EventLoaded, EventFailed, EventFailed, EventReopened, EventClosed}, events)
	})
}

// Runs that fail one after the other bring the session under suspicion: it is replaced when
// the reference inputs fail too, and kept when only the requests do.
func TestASessionWhoseRunsFailIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, fresh := &fakeSession{width: fakeWidth}, &fakeSession{width: fakeWidth}
		sessions := []Session{broken, fresh}
		deps := fakeDeps(nil)
		deps.NewSession = func(SessionConfig) (Session, error) {
			s := sessions[0]
			sessions = sessions[1:]
			return s, nil
		}
		opened, err := Open(t.Context(), models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Runtime: models.RuntimeSpec{Provider: "cpu"}}, deps)
		require.NoError(t, err)
		model := opened.(*Embedding)
		reference := model.manifest.Reference[0].IDs
		ask := func() error {
			_, err := model.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}})
			synctest.Wait()
			return err
		}
		// Only this request fails: its row is shorter than any reference in company.
		broken.before = func(_ context.Context, b Batch) error {
			if b.Rows == 1 && b.IDs[1] != int64(reference[1]) && b.Length == 3 {
				return errors.New("a bad row")
			}
			return nil
		}
		for range 3 * suspicious {
			wantKind(t, ask(), models.KindInternal, "")
			require.Equal(t, models.StateReady, model.Status().State)
		}
		broken.before = func(context.Context, Batch) error { return errors.New("the device is lost") }
		for range suspicious {
			wantKind(t, ask(), models.KindInternal, "")
		}
		require.True(t, broken.isClosed())
		require.Equal(t, models.StateReady, model.Status().State)
		require.NoError(t, ask())
		require.NoError(t, model.Close())
	})
}

func TestTheLimitOfARunFollowsTheModel(t *testing.T) {
	require.Equal(t, minRunLimit, runLimit(10_000, 2000))
	require.Equal(t, 20*16*time.Second, runLimit(512, 8192))
}

func TestPadding(t *testing.T) {
	m := fakeManifest(models.TaskRerank)
	m.Inputs = append(m.Inputs, "token_type_ids")
	b := newPadder(m).pad([]tokenizer.Encoding{{IDs: []uint32{7, 8, 9}, Types: []uint8{0, 1, 1}}, {IDs: []uint32{5}}})
	want := Batch{Rows: 2, Length: 3, IDs: []int64{7, 8, 9, 5, 1, 1}, Mask: []int64{1, 1, 1, 1, 0, 0}, Types: []int64{0, 1, 1, 0, 0, 0}}
	require.Equal(t, want, b)
	// What another batch has left in the arrays does not show.
	used := &buffer{ids: []int64{9, 9, 9, 9, 9, 9, 9}, mask: []int64{1, 1, 1, 1, 1, 1, 1}, types: []int64{1, 1, 1, 1, 1, 1, 1}}
	require.Equal(t, want, newPadder(m).padIn(used, []tokenizer.Encoding{{IDs: []uint32{7, 8, 9}, Types: []uint8{0, 1, 1}}, {IDs: []uint32{5}}}))
}

func TestMath(t *testing.T) {
	v := []float32{3, 4}
	require.Equal(t, []float32{0.6, 0.8}, normalized(v))
	require.Equal(t, []float32{3, 4}, v)
	zero := []float32{0, 0}
	require.Equal(t, []float32{0, 0}, normalized(zero))
	require.Zero(t, cosine(zero, v))
	require.InDelta(t, -1, cosine([]float32{1, 2}, []float32{-2, -4}), 1e-12)
	require.InDelta(t, 0.5, sigmoid(0), 0)
	require.False(t, finite([]float32{0, float32(math.NaN())}))
	require.False(t, finite([]float32{float32(math.Inf(-1))}))
}
