// Command rag retrieves and ranks with Quadrate, and keeps its index in memory. It needs nothing
// but the standard library:
//
//	cd examples/go && go run . "I cannot remember my password"
//
// SERVER_URL, EMBEDDER, RERANKER and API_KEY say where the models are; with LLM_URL and LLM_MODEL
// set (and LLM_API_KEY where it asks for one), a chat model of any OpenAI-compatible server answers at the end.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	retrieve = 4
	keep     = 2
)

var (
	server   = cmp.Or(os.Getenv("SERVER_URL"), "http://localhost:8000")
	embedder = cmp.Or(os.Getenv("EMBEDDER"), "default")
	reranker = cmp.Or(os.Getenv("RERANKER"), "default")
	key      = cmp.Or(os.Getenv("API_KEY"), "-")
)

// found is a passage with its score: higher is closer to the question.
type found struct {
	score   float64
	passage string
}

func main() {
	question := "I cannot remember my password"
	if len(os.Args) > 1 {
		question = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, question); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, question string) error {
	text, err := os.ReadFile(filepath.Join("..", "passages.txt"))
	if err != nil {
		return err
	}
	passages := strings.Split(strings.TrimSpace(string(text)), "\n")
	vectors, err := embed(ctx, append(slices.Clone(passages), question))
	if err != nil {
		return err
	}
	retrieved := nearest(vectors[len(passages)], vectors[:len(passages)], passages)
	show("Retrieved", retrieved)

	ranked, err := rerank(ctx, question, retrieved)
	if err != nil {
		return err
	}
	show("Reranked", ranked)
	return answer(ctx, question, ranked)
}

// embed returns one vector for each text, in their order. All go in one request, which the server
// divides itself.
func embed(ctx context.Context, texts []string) ([][]float32, error) {
	var response struct {
		Data []struct{ Embedding []float32 }
	}
	if err := post(ctx, server+"/v1/embeddings", key, map[string]any{"model": embedder, "input": texts}, &response); err != nil {
		return nil, err
	}
	if len(response.Data) != len(texts) {
		return nil, fmt.Errorf("%d vectors came for %d texts", len(response.Data), len(texts))
	}
	vectors := make([][]float32, len(texts))
	for i, item := range response.Data {
		vectors[i] = item.Embedding
	}
	return vectors, nil
}

// nearest returns the passages closest to the question. The server's vectors have unit norm, so
// that their dot product is their cosine.
func nearest(question []float32, vectors [][]float32, passages []string) []found {
	all := make([]found, len(passages))
	for i, vector := range vectors {
		all[i].passage = passages[i]
		for j, x := range vector {
			all[i].score += float64(x) * float64(question[j])
		}
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(b.score, a.score) })
	return all[:min(retrieve, len(all))]
}

// rerank asks the reranker, whose results come best first, each with the index of its document.
func rerank(ctx context.Context, question string, retrieved []found) ([]found, error) {
	documents := make([]string, len(retrieved))
	for i, item := range retrieved {
		documents[i] = item.passage
	}
	var response struct {
		Results []struct {
			Index          int
			RelevanceScore float64 `json:"relevance_score"`
		}
	}
	request := map[string]any{"model": reranker, "query": question, "documents": documents, "top_n": keep}
	if err := post(ctx, server+"/v2/rerank", key, request, &response); err != nil {
		return nil, err
	}
	ranked := make([]found, len(response.Results))
	for i, result := range response.Results {
		if result.Index < 0 || result.Index >= len(documents) {
			return nil, fmt.Errorf("the ranking names document %d of %d", result.Index, len(documents))
		}
		ranked[i] = found{result.RelevanceScore, documents[result.Index]}
	}
	return ranked, nil
}

// answer has a chat model answer from the passages, if there is one.
func answer(ctx context.Context, question string, ranked []found) error {
	url := os.Getenv("LLM_URL")
	if url == "" {
		return nil
	}
	prompt := "Answer from these passages only.\n\n"
	for _, item := range ranked {
		prompt += item.passage + "\n"
	}
	request := map[string]any{
		"model":    os.Getenv("LLM_MODEL"),
		"messages": []map[string]string{{"role": "user", "content": prompt + "\nQuestion: " + question}},
	}
	var response struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := post(ctx, url+"/chat/completions", cmp.Or(os.Getenv("LLM_API_KEY"), "-"), request, &response); err != nil {
		return err
	}
	for _, choice := range response.Choices {
		fmt.Println("Answer\n ", choice.Message.Content)
	}
	return nil
}

// post sends a request as JSON and reads the answer into response. An error holds what the server
// says is wrong, and its id of the request, by which its log tells more.
func post(ctx context.Context, url, key string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	asked.Header.Set("Authorization", "Bearer "+key)
	asked.Header.Set("Content-Type", "application/json")
	answered, err := http.DefaultClient.Do(asked)
	if err != nil {
		return err
	}
	defer answered.Body.Close()
	if answered.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answered.Body, 4096))
		return fmt.Errorf("%s: %s (request %s): %s", url, answered.Status, answered.Header.Get("X-Request-Id"), said)
	}
	return json.NewDecoder(answered.Body).Decode(response)
}

func show(title string, items []found) {
	fmt.Println(title)
	for _, item := range items {
		fmt.Printf("  %.3f  %s\n", item.score, item.passage)
	}
}
