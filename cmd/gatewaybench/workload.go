package main

import (
	"encoding/json"
	"strings"
)

// work is one kind of request.
type work struct {
	name       string
	model      string
	texts      int
	dimensions int
	format     string // encoding_format
}

var (
	smallWork = work{model: "bench-small", name: "one text of 16 tokens, 384 numbers in base64", texts: 1, dimensions: 384, format: "base64"}
	largeWork = work{model: "bench-large", name: "32 texts, 1,024 numbers each as numbers", texts: 32, dimensions: 1024, format: "float"}
)

// request is the body that clients send.
func (w work) request() []byte {
	text := strings.TrimSpace(strings.Repeat("word ", 14)) // and two special tokens
	input := make([]string, w.texts)
	for i := range input {
		input[i] = text
	}
	body, err := json.Marshal(map[string]any{"model": w.model, "input": input, "encoding_format": w.format})
	if err != nil {
		panic(err)
	}
	return body
}
