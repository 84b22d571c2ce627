package inference

import (
	"errors"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// PairPrompt is how a generative reranker is shown a pair; see tokenizer.PairPrompt.
type PairPrompt struct {
	Prefix         []uint32 `json:"prefix"`
	QueryPrefix    string   `json:"query_prefix"`
	QuerySuffix    string   `json:"query_suffix"`
	DocumentPrefix string   `json:"document_prefix"`
	Suffix         []uint32 `json:"suffix"`
}

// validatePairPrompt accepts none, and one of a reranker.
func (m *Manifest) validatePairPrompt() error {
	if m.PairPrompt != nil && m.Task != models.TaskRerank {
		return errors.New("pair_prompt is for rerankers")
	}
	return nil
}

// pairPrompt is the prompt in the tokenizer's terms; nil: pairs follow the template.
func (m *Manifest) pairPrompt() *tokenizer.PairPrompt {
	p := m.PairPrompt
	if p == nil {
		return nil
	}
	return &tokenizer.PairPrompt{
		Prefix: p.Prefix, Suffix: p.Suffix,
		QueryPrefix: p.QueryPrefix, QuerySuffix: p.QuerySuffix, DocumentPrefix: p.DocumentPrefix,
	}
}
