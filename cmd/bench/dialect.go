package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// dialect is one route's form of request and answer.
type dialect struct {
	name   string
	path   string
	encode func(model string, t workload.Texts) any
	// check reads a whole answer of so many items and returns the vectors' dimensions.
	check func(body []byte, items int) (dimensions int, err error)
}

// dialectFor returns the form of a task's requests; auto is the one most servers have.
func dialectFor(name string, t workload.Task) (dialect, error) {
	switch {
	case t == workload.Embed && (name == "openai" || name == "auto"):
		return dialect{"openai", "/v1/embeddings", encodeOpenAI, checkOpenAI}, nil
	case t == workload.Rerank && (name == "cohere" || name == "auto"):
		return dialect{"cohere", "/v1/rerank", encodeCohere, checkCohere}, nil
	case t == workload.Embed && name == "tei":
		return dialect{"tei", "/embed", encodeTEIEmbed, checkTEIEmbed}, nil
	case t == workload.Rerank && name == "tei":
		return dialect{"tei", "/rerank", encodeTEIRerank, checkTEIRerank}, nil
	}
	return dialect{}, fmt.Errorf("dialect %s has no %s: use -dialect auto or tei", name, t)
}

func encodeOpenAI(model string, t workload.Texts) any {
	return struct {
		Model  string   `json:"model,omitempty"`
		Input  []string `json:"input"`
		Format string   `json:"encoding_format"`
	}{model, t.Items, "float"}
}

func encodeCohere(model string, t workload.Texts) any {
	return struct {
		Model     string   `json:"model,omitempty"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      int      `json:"top_n"`
	}{model, t.Query, t.Items, len(t.Items)}
}

// TEI serves one model and ignores the name; servers of several read it.
func encodeTEIEmbed(model string, t workload.Texts) any {
	return struct {
		Model    string   `json:"model,omitempty"`
		Inputs   []string `json:"inputs"`
		Truncate bool     `json:"truncate"`
	}{model, t.Items, true}
}

func encodeTEIRerank(model string, t workload.Texts) any {
	return struct {
		Model    string   `json:"model,omitempty"`
		Query    string   `json:"query"`
		Texts    []string `json:"texts"`
		Truncate bool     `json:"truncate"`
	}{model, t.Query, t.Items, true}
}

func checkOpenAI(body []byte, items int) (int, error) {
	var answer struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	vectors, indexes := make([][]float64, len(answer.Data)), make([]int, len(answer.Data))
	for k, d := range answer.Data {
		vectors[k], indexes[k] = d.Embedding, d.Index
	}
	if err := eachOnce(indexes, items); err != nil {
		return 0, err
	}
	return oneWidth(vectors)
}

func checkTEIEmbed(body []byte, items int) (int, error) {
	var vectors [][]float64
	if err := json.Unmarshal(body, &vectors); err != nil {
		return 0, err
	}
	if len(vectors) != items {
		return 0, fmt.Errorf("%d vectors for %d texts", len(vectors), items)
	}
	return oneWidth(vectors)
}

// scored is one result of a rerank; its score is absent where the server wrote none or null.
type scored struct {
	Index     int      `json:"index"`
	Relevance *float64 `json:"relevance_score"`
	Score     *float64 `json:"score"`
}

func checkCohere(body []byte, items int) (int, error) {
	var answer struct {
		Results []scored `json:"results"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	return 0, checkScored(answer.Results, items)
}

func checkTEIRerank(body []byte, items int) (int, error) {
	var results []scored
	if err := json.Unmarshal(body, &results); err != nil {
		return 0, err
	}
	return 0, checkScored(results, items)
}

func checkScored(results []scored, items int) error {
	indexes := make([]int, len(results))
	for k, r := range results {
		if r.Relevance == nil && r.Score == nil {
			return fmt.Errorf("result %d has no score", k)
		}
		indexes[k] = r.Index
	}
	return eachOnce(indexes, items)
}

func eachOnce(indexes []int, items int) error {
	if len(indexes) != items {
		return fmt.Errorf("%d results for %d texts", len(indexes), items)
	}
	seen := make([]bool, items)
	for _, k := range indexes {
		if k < 0 || k >= items || seen[k] {
			return fmt.Errorf("index %d is out of range or comes twice", k)
		}
		seen[k] = true
	}
	return nil
}

func oneWidth(vectors [][]float64) (int, error) {
	width := len(vectors[0])
	for _, v := range vectors {
		if len(v) == 0 || len(v) != width {
			return 0, errors.New("vectors are empty or of different lengths")
		}
	}
	return width, nil
}

// usedTokens reads the count that the answer carries: TEI's header, or the last usage object
// of the body (Cohere's own is meta.tokens). It does not read the rest, because parsing every
// vector would take from a server on the same machine the cores it is measured on.
func usedTokens(header http.Header, body []byte) int {
	if n, err := strconv.Atoi(header.Get("X-Compute-Tokens")); err == nil {
		return n
	}
	for _, name := range []string{`"usage"`, `"tokens"`} {
		at := bytes.LastIndex(body, []byte(name))
		if at < 0 {
			continue
		}
		value, found := bytes.CutPrefix(bytes.TrimLeft(body[at+len(name):], " \t\r\n"), []byte(":"))
		if !found {
			continue
		}
		var usage struct {
			Total  int `json:"total_tokens"`
			Prompt int `json:"prompt_tokens"`
			Input  int `json:"input_tokens"`
		}
		if json.NewDecoder(bytes.NewReader(value)).Decode(&usage) == nil {
			if n := max(usage.Total, usage.Prompt, usage.Input); n > 0 {
				return n
			}
		}
	}
	return 0
}
