package inference

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

func openClassifier(t testing.TB, s *fakeSession, change func(*models.Spec, *Deps, *Manifest)) *Classifier {
	return open(t, models.TaskClassify, s, change).(*Classifier)
}

func TestClassifiersKeepTheContract(t *testing.T) {
	for _, how := range []activation{softmaxed, sigmoided} {
		m := openClassifier(t, &fakeSession{}, func(_ *models.Spec, _ *Deps, m *Manifest) { m.Activation = how })
		require.Equal(t, how == sigmoided, m.Info().MultiLabel)
		require.Equal(t, numbered(fakeWidth), m.Info().Labels)
		require.Empty(t, m.Info().ScoreKind)
		require.Equal(t, []models.Task{models.TaskClassify}, m.Tasks())
		modelstest.RunClassifier(t, m, modelstest.Options{})
	}
}

func TestARerankerClassifiesWhereItIsToldTo(t *testing.T) {
	told := func(s *models.Spec, _ *Deps, _ *Manifest) {
		s.Tasks = []models.Task{models.TaskRerank, models.TaskClassify}
	}
	m := open(t, models.TaskRerank, &fakeSession{}, told).(*CrossEncoder)
	modelstest.RunClassifier(t, m, modelstest.Options{})
	require.Equal(t, []string{"LABEL_0"}, m.Info().Labels)
	require.True(t, m.Info().MultiLabel)
	document := "a document"
	pair, err := m.Classify(t.Context(), models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "query", Pair: &document}}})
	require.NoError(t, err)
	ranked, err := m.Rerank(t.Context(), models.RerankRequest{Query: "query", Documents: []string{document}})
	require.NoError(t, err)
	require.Equal(t, ranked.Scores, pair.Scores[0])
	require.Equal(t, ranked.Usage, pair.Usage)
	require.Equal(t, []models.Task{models.TaskRerank}, m.Tasks(), "of itself it only ranks")
}

func TestAGenerativeRerankerDoesNotClassify(t *testing.T) {
	m := fakeManifest(models.TaskRerank)
	m.PairPrompt = &PairPrompt{}
	require.ErrorContains(t, m.checkTasks([]models.Task{models.TaskClassify}), "tasks names classify, but the model was made for rerank and can do [rerank]")
}

func TestClassifyRegression(t *testing.T) {
	m := openClassifier(t, &fakeSession{}, func(_ *models.Spec, _ *Deps, m *Manifest) { m.Activation = unmodified })
	req := models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "some words"}}}
	plain, err := m.Classify(t.Context(), req)
	require.NoError(t, err)
	req.Raw = true
	raw, err := m.Classify(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, raw.Scores, plain.Scores)
}

func TestClassifyErrorsNameTheInput(t *testing.T) {
	m := openClassifier(t, &fakeSession{}, nil)
	long, short := strings.Repeat("w ", 2*fakeMaxLength), "w"
	for _, in := range []models.ClassifyInput{{Text: long}, {Text: long, Pair: &short}, {Text: short, Pair: &long}} {
		_, err := m.Classify(t.Context(), models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: short}, in}, Truncate: models.TruncateNone})
		wantKind(t, err, models.KindTooLong, "inputs[1]")
	}
}

// What a classifier computed is kept as an embedding is; equal inputs are computed once.
func TestClassificationsAreKept(t *testing.T) {
	s := &fakeSession{}
	m := openClassifier(t, s, func(spec *models.Spec, _ *Deps, _ *Manifest) { spec.Cache.Bytes = 1 << 20 })
	req := models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "a"}, {Text: "b"}, {Text: "a"}}, Raw: true}
	first, err := m.Classify(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 2, s.counted())
	first.Scores[0][0] = 100
	second, err := m.Classify(t.Context(), req)
	require.NoError(t, err)
	require.Zero(t, s.counted())
	require.Equal(t, 3, second.Timing.Kept)
	require.NotEqual(t, first.Scores[0], second.Scores[0], "who writes to an answer changes no other")
}

func TestSoftmaxDoesNotOverflow(t *testing.T) {
	require.Equal(t, []float32{1, 0}, softmax([]float32{1e30, -1e30}))
	row := softmax([]float32{500, 501, 499})
	require.InDelta(t, 1, row[0]+row[1]+row[2], 1e-6)
	require.InDelta(t, math.E, row[1]/row[0], 1e-5)
}

func TestLabelsOfAFolder(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		labels []string
		how    activation
		err    string
	}{
		"named":      {`{"id2label":{"0":"no","1":"yes"},"problem_type":"single_label_classification"}`, []string{"no", "yes"}, softmaxed, ""},
		"not named":  {`{}`, []string{"LABEL_0", "LABEL_1"}, softmaxed, ""},
		"several":    {`{"id2label":{"0":"no","1":"yes"},"problem_type":"multi_label_classification"}`, []string{"no", "yes"}, sigmoided, ""},
		"regression": {`{"problem_type":"regression"}`, []string{"LABEL_0", "LABEL_1"}, unmodified, ""},
		"others":     {`{"id2label":{"0":"no","1":"yes","2":"maybe"}}`, []string{"no", "yes"}, softmaxed, "the graph gives 2 logits, and id2label of config.json names 3"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := readHub(folder(t, map[string]string{"config.json": c.config}))
			require.NoError(t, err)
			require.Equal(t, c.labels, h.labels(2))
			require.Equal(t, c.how, h.activation())
			if err := h.checkLabels(2); c.err != "" {
				require.EqualError(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
