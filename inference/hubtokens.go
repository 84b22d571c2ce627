package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

const (
	// unlimited is above any real length: tokenizers without a limit carry a number like 1e30.
	unlimited = maxLength
	// assumedLength is for models whose files name no limit at all.
	assumedLength = 512
)

// countsFromPad lists the model types that number positions from the pad id plus one, and so
// have that many positions fewer than their table has rows.
var countsFromPad = []string{"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "xmod", "mpnet", "longformer", "ibert", "esm"}

// hubTokenizer is what tokenizer_config.json says.
type hubTokenizer struct {
	MaxLength float64 `json:"model_max_length"`
	PadToken  any     `json:"pad_token"`
}

// positionOffset is the position of the first token.
func (h *hub) positionOffset(padID int64) int64 {
	if slices.Contains(countsFromPad, h.config.ModelType) {
		return padID + 1
	}
	return 0
}

// maxLength is the longest input as sentence-transformers takes it: max_seq_length where it
// is set, else the tokenizer's, but never more than the position table holds.
func (h *hub) maxLength(offset int64) (int, error) {
	var sentence struct {
		Max *float64 `json:"max_seq_length"`
	}
	var tok hubTokenizer
	if _, err := h.read("sentence_bert_config.json", &sentence); err != nil {
		return 0, err
	}
	if _, err := h.read("tokenizer_config.json", &tok); err != nil {
		return 0, err
	}
	limit := firstPositive(h.config.Positions, h.config.NPositions)
	if limit >= unlimited {
		limit = 0
	} else if limit > 0 {
		limit -= int(offset)
	}
	lengths := []float64{tok.MaxLength}
	if sentence.Max != nil {
		lengths = []float64{*sentence.Max, tok.MaxLength}
	}
	for _, length := range lengths {
		if length > 0 && length < unlimited {
			if limit > 0 {
				return min(int(length), limit), nil
			}
			return int(length), nil
		}
	}
	if limit <= 0 {
		h.note("the folder names no maximum length; %d tokens are assumed (models[].max_length lowers it)", assumedLength)
		limit = assumedLength
	}
	return limit, nil
}

// padID finds the id that fills rows up. It is masked, so it matters only that it is one of
// the vocabulary, and where positions are counted from it.
func (h *hub) padID() (int64, error) {
	if h.config.PadTokenID != nil && *h.config.PadTokenID >= 0 {
		return *h.config.PadTokenID, nil
	}
	var file struct {
		Padding *struct {
			ID int64 `json:"pad_id"`
		} `json:"padding"`
		Added []struct {
			ID      int64  `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	var tok hubTokenizer
	if _, err := h.read("tokenizer_config.json", &tok); err != nil {
		return 0, err
	}
	if _, err := h.read("tokenizer.json", &file); err != nil {
		return 0, err
	}
	for _, token := range file.Added {
		if token.Content != "" && token.Content == tok.padToken() {
			return token.ID, nil
		}
	}
	if file.Padding != nil {
		return file.Padding.ID, nil
	}
	return 0, nil
}

// padToken is written as a string, or as an object with its content.
func (t hubTokenizer) padToken() string {
	switch token := t.PadToken.(type) {
	case string:
		return token
	case map[string]any:
		content, _ := token["content"].(string)
		return content
	}
	return ""
}

// checkLowerCase refuses a folder whose texts sentence-transformers lower-cases itself, which
// is left to the tokenizer here.
func (h *hub) checkLowerCase() error {
	var sentence struct {
		Lower bool `json:"do_lower_case"`
	}
	var file struct {
		Normalizer json.RawMessage `json:"normalizer"`
	}
	if _, err := h.read("sentence_bert_config.json", &sentence); err != nil || !sentence.Lower {
		return err
	}
	if _, err := h.read("tokenizer.json", &file); err != nil {
		return err
	}
	var normalizer bytes.Buffer
	if len(file.Normalizer) > 0 {
		if err := json.Compact(&normalizer, file.Normalizer); err != nil {
			return err
		}
	}
	if text := normalizer.Bytes(); bytes.Contains(text, []byte(`"lowercase":true`)) || bytes.Contains(text, []byte(`"type":"Lowercase"`)) {
		return nil
	}
	return errors.New("sentence_bert_config.json sets do_lower_case, but tokenizer.json does not lower-case")
}
