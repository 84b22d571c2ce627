package proxy

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// behind opens a proxy in front of a fake and returns its one model, when the fake's list, if it
// has one, has been read.
func behind(t *testing.T, kind Type, s *upstreamtest.Server, r Route) *model {
	t.Helper()
	r.Name, r.Upstream, r.MaxLength = "m", "up", 256
	if r.UpstreamModel == "" {
		r.UpstreamModel = "fake"
	}
	p, err := New(Options{Upstreams: []Upstream{{Name: "up", Type: kind, URLs: []string{s.URL}, ProbeInterval: -1, Retries: -1}}, Routes: []Route{r}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p.Entries()[0].Model.(*model)
}

// unitOnly stands for a raw vector by one of norm 1 where the server gives no other: what is left
// of the contract is checked so.
type unitOnly struct{ *model }

func (u unitOnly) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	req.Raw = false
	return u.model.Embed(ctx, req)
}

// Clauses that some servers' APIs have no words for. None of them tells how many texts it cut.
const (
	cutsTexts     = "long texts are cut and counted"
	refusesTexts  = "long texts are refused on request"
	cutsDocuments = "long documents are cut and counted"
)

func TestEmbeddersKeepTheContract(t *testing.T) {
	for _, c := range []struct {
		kind  Type
		fake  upstreamtest.Kind
		unit  bool
		lacks []string
	}{
		{TypeTEI, upstreamtest.TEI, false, []string{cutsTexts}},
		{TypeTEI, upstreamtest.TEI18, false, []string{cutsTexts}},
		{TypeVLLM, upstreamtest.VLLM, false, []string{cutsTexts}},
		{TypeOllama, upstreamtest.Ollama, true, []string{cutsTexts}},
		{TypeInfinity, upstreamtest.Infinity, true, []string{cutsTexts, refusesTexts}},
		{TypeOpenAI, upstreamtest.OpenAI, true, []string{cutsTexts}},
		{TypeCohere, upstreamtest.Cohere, true, []string{cutsTexts}},
		{TypeJina, upstreamtest.Jina, false, []string{cutsTexts}},
	} {
		t.Run(string(c.fake), func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{LengthsViaTokenize: true})
			m := behind(t, c.kind, s, Route{Tasks: []models.Task{models.TaskEmbed}, Dimensions: 384})
			var tested modelstest.EmbedModel = m
			if c.unit {
				tested = unitOnly{m}
			}
			modelstest.RunEmbedder(t, tested, modelstest.Options{Tolerance: 1e-4, Lacks: c.lacks})
		})
	}
}

func TestRerankersKeepTheContract(t *testing.T) {
	const usage, raw, limit = "usage counts what the model sees", "raw scores", "max tokens per document"
	const refuses, refusesQuery = "long documents are refused on request", "a long query is refused on request"
	for _, c := range []struct {
		kind  Type
		fake  upstreamtest.Kind
		lacks []string
	}{
		{TypeTEI, upstreamtest.TEI, []string{limit, cutsDocuments}},
		{TypeTEI, upstreamtest.TEI18, []string{limit, cutsDocuments}},
		{TypeVLLM, upstreamtest.VLLM, []string{limit, cutsDocuments}},
		{TypeInfinity, upstreamtest.Infinity, []string{limit, cutsDocuments, refuses, refusesQuery}},
		{TypeCohere, upstreamtest.Cohere, []string{limit, raw, usage, cutsDocuments, refuses, refusesQuery}},
		{TypeJina, upstreamtest.Jina, []string{limit, raw, cutsDocuments, refuses, refusesQuery}},
	} {
		t.Run(string(c.fake), func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{LengthsViaTokenize: true, Models: []upstreamtest.Model{{Task: upstreamtest.Rerank}}})
			m := behind(t, c.kind, s, Route{Tasks: []models.Task{models.TaskRerank}})
			modelstest.RunReranker(t, m, modelstest.Options{Tolerance: 1e-4, Lacks: c.lacks})
		})
	}
}

func TestCosineRerankersKeepTheContract(t *testing.T) {
	for _, c := range []struct {
		kind Type
		fake upstreamtest.Kind
	}{{TypeOllama, upstreamtest.Ollama}, {TypeTEI, upstreamtest.TEI}, {TypeCohere, upstreamtest.Cohere}, {TypeOpenAI, upstreamtest.OpenAI}} {
		t.Run(string(c.fake), func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{})
			m := behind(t, c.kind, s, Route{Tasks: []models.Task{models.TaskRerank}, CosineRerank: true})
			modelstest.RunReranker(t, m, modelstest.Options{Tolerance: 1e-4, Lacks: []string{"max tokens per document", cutsDocuments}})
		})
	}
}

func TestTokenEmbeddersKeepTheContract(t *testing.T) {
	for _, c := range []struct {
		kind Type
		fake upstreamtest.Kind
	}{{TypeTEI, upstreamtest.TEI}, {TypeVLLM, upstreamtest.VLLM}} {
		t.Run(string(c.fake), func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{})
			modelstest.RunTokenEmbedder(t, behind(t, c.kind, s, Route{Tasks: []models.Task{models.TaskEmbed}}), modelstest.Options{Tolerance: 1e-4, Lacks: []string{cutsTexts}})
		})
	}
}

func TestClassifiersKeepTheContract(t *testing.T) {
	for _, c := range []struct {
		kind  Type
		fake  upstreamtest.Kind
		lacks []string
	}{
		{TypeTEI, upstreamtest.TEI, []string{cutsTexts}},
		{TypeVLLM, upstreamtest.VLLM, []string{cutsTexts, "pairs"}},
		{TypeInfinity, upstreamtest.Infinity, []string{cutsTexts, refusesTexts, "pairs", "raw scores"}},
	} {
		t.Run(string(c.fake), func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{LengthsViaTokenize: true, Models: []upstreamtest.Model{{Task: upstreamtest.Classify}}})
			m := behind(t, c.kind, s, Route{Tasks: []models.Task{models.TaskClassify}})
			modelstest.RunClassifier(t, m, modelstest.Options{Tolerance: 1e-4, Lacks: c.lacks})
		})
	}
}

func TestTokenizersKeepTheContract(t *testing.T) {
	s := upstreamtest.NewServer(t, upstreamtest.TEI, upstreamtest.Options{})
	modelstest.RunTokenizer(t, behind(t, TypeTEI, s, Route{Tasks: []models.Task{models.TaskEmbed}}), modelstest.Options{Lacks: []string{"ids outside the vocabulary"}})
}
