package inference

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// Embedding is a bi-encoder: it embeds, and reranks by the cosine of embeddings.
type Embedding struct {
	*engine
}

var (
	_ models.Embedder = (*Embedding)(nil)
	_ models.Reranker = (*Embedding)(nil)
)

const opEmbed, opRerank = "embed", "rerank"

// Embed implements models.Embedder.
func (m *Embedding) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	if req.Dimensions < 0 || req.Dimensions > m.manifest.Dimensions {
		return models.EmbedResult{}, models.Errorf(models.KindInvalid, "dimensions is %d, and model %q has %d", req.Dimensions, m.name, m.manifest.Dimensions).At("dimensions").In(m.name, opEmbed)
	}
	prompt, err := m.prompt(req.PromptName, req.InputType, opEmbed)
	if err != nil {
		return models.EmbedResult{}, err
	}
	start := time.Now()
	items, err := m.tokenizer.Singles(ctx, textsOf(req.Inputs), prompt, truncation(req.Truncate))
	if err != nil {
		return models.EmbedResult{}, m.tokenFailure(err, inputField, opEmbed)
	}
	tokenized := time.Since(start)
	rows, timing, err := m.rows(ctx, req.Caller, items, opEmbed, inputField)
	if err != nil {
		return models.EmbedResult{}, err
	}
	timing.Tokenize = tokenized
	return models.EmbedResult{Vectors: vectors(rows, req.Dimensions, req.Raw), Usage: usage(items), Timing: timing}, nil
}

func textsOf(inputs []models.Input) []tokenizer.Text {
	texts := make([]tokenizer.Text, len(inputs))
	for i, in := range inputs {
		texts[i] = tokenizer.Text{Text: in.Text, IDs: in.IDs}
	}
	return texts
}

// vectors cuts rows to their first dimensions numbers (0: all) and takes the L2 norm unless
// raw. It does not write to rows. Those that are shared stay shared, and are worked on once.
func vectors(rows [][]float32, dimensions int, raw bool) [][]float32 {
	out := make([][]float32, len(rows))
	done := make(map[*float32][]float32, len(rows))
	for i, row := range rows {
		if dimensions > 0 {
			row = row[:dimensions:dimensions]
		}
		if !raw {
			unit, ok := done[&row[0]]
			if !ok {
				unit = normalized(row)
				done[&row[0]] = unit
			}
			row = unit
		}
		out[i] = row
	}
	return out
}

func inputField(index int) string { return fmt.Sprintf("input[%d]", index) }

func truncation(t models.Truncate) tokenizer.Truncation {
	switch t {
	case models.TruncateStart:
		return tokenizer.Truncation{Side: tokenizer.KeepEnd}
	case models.TruncateNone:
		return tokenizer.Truncation{Refuse: true}
	default:
		return tokenizer.Truncation{}
	}
}

// promptsFor lists, for each intent in Cohere's words, the names under which models keep the
// prompt for it, the likeliest first.
var promptsFor = map[string][]string{
	"search_query":    {"query", "search_query", "s2p_query", "retrieval.query"},
	"query":           {"query", "search_query", "s2p_query", "retrieval.query"},
	"search_document": {"document", "passage", "search_document", "retrieval.passage", "corpus"},
	"document":        {"document", "passage", "search_document", "retrieval.passage", "corpus"},
	"passage":         {"passage", "document", "search_document", "retrieval.passage", "corpus"},
	"classification":  {"classification", "Classification"},
	"clustering":      {"clustering", "Clustering", "separation"},
}

// prompt is the text to put before each input: the one named, the one for the intent, or the
// model's default.
func (e *engine) prompt(name, intent, op string) (string, error) {
	if name != "" {
		prompt, ok := e.manifest.Prompts[name]
		if !ok {
			return "", models.Errorf(models.KindInvalid, "model %q has no prompt %.100q; it has %s", e.name, name, e.listPrompts()).At("prompt_name").In(e.name, op)
		}
		return prompt, nil
	}
	if intent != "" {
		return e.manifest.Prompts[e.promptFor(intent)], nil
	}
	return e.manifest.Prompts[e.manifest.Default], nil
}

// promptFor is the name of the model's prompt for an intent, or "".
func (e *engine) promptFor(intent string) string {
	names := promptsFor[strings.ToLower(intent)]
	i := slices.IndexFunc(names, func(name string) bool { _, ok := e.manifest.Prompts[name]; return ok })
	if i < 0 {
		return ""
	}
	return names[i]
}

func (e *engine) listPrompts() string {
	if len(e.manifest.Prompts) == 0 {
		return "none"
	}
	return strings.Join(e.manifest.promptNames(), ", ")
}
