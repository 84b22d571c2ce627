package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// shape is what of a model's config.json decides how much it computes.
type shape struct {
	Type     string `json:"model_type"`
	Layers   int    `json:"num_hidden_layers"`
	Hidden   int    `json:"hidden_size"`
	FFN      int    `json:"intermediate_size"`
	Heads    int    `json:"num_attention_heads"`
	KVHeads  int    `json:"num_key_value_heads"`
	HeadSize int    `json:"head_dim"`
}

// gated lists the model types whose feed-forward part has three matrices in place of two.
var gated = []string{"modernbert", "nomic_bert", "new", "qwen2", "qwen3", "gemma3_text", "llama", "mistral"}

// readShape fails where config.json does not say enough, or uses other names.
func readShape(dir string) (shape, error) {
	var s shape
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("config.json: %w", err)
	}
	if s.Layers <= 0 || s.Hidden <= 0 || s.FFN <= 0 {
		return s, errors.New("config.json lacks num_hidden_layers, hidden_size or intermediate_size")
	}
	return s, nil
}

// flops is what the layers compute for texts of these lengths, without any padding: with width
// d, feed-forward width f, q and kv the widths of the attention's projections, and a text of L
// tokens, layers * (L * 2 * (2 d q + 2 d kv + m d f) + 4 L^2 q), where m is 2, or 3 where the
// feed-forward part is gated. For BERT that is L * (2 * layers * (4 d^2 + 2 d f) + 4 L d * layers).
// Embeddings, pooling and heads are left out.
func (s shape) flops(items []tokenizer.Encoding) (sum float64) {
	d, f := float64(s.Hidden), float64(s.FFN)
	q, kv := d, d
	if s.HeadSize > 0 && s.Heads > 0 {
		q, kv = float64(s.HeadSize*s.Heads), float64(s.HeadSize*s.Heads)
	}
	if s.KVHeads > 0 && s.Heads > 0 {
		kv = q * float64(s.KVHeads) / float64(s.Heads)
	}
	matrices := 2.0
	if slices.Contains(gated, s.Type) {
		matrices = 3
	}
	for _, item := range items {
		l := float64(item.Len())
		sum += l*2*(2*d*q+2*d*kv+matrices*d*f) + 4*l*l*q
	}
	return float64(s.Layers) * sum
}
