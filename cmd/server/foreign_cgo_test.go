//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
)

// A folder as the hub has it is served over HTTP, and called unchecked wherever that shows.
func TestServesFilesOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
models_dir: %s
log: {format: json}
server: {host: 127.0.0.1, port: 0, drain_delay: 0s, max_state_bytes: 2KiB}
runtime: {library: %s, provider: cpu}
models:
  - {name: org/bert, path: bert, pooling: cls}
  - {name: org/int8, path: bert, variant: model_quantized.onnx}
  - {name: org/xlmr, path: xlmr}
`, filepath.Join(golden.Root(), "testdata", "foreign"), golden.Library()), 0o600))
	s := start(t, t.Context(), file)

	var health struct {
		Models []struct {
			Name, Checked string
			Tasks         []string
			Company       *float64
			Notes         []string
		}
	}
	_, text := get(t, s.url+"/health")
	require.NoError(t, json.Unmarshal([]byte(text), &health))
	require.Len(t, health.Models, 3)
	for _, m := range health.Models {
		require.Equal(t, "company", m.Checked, m.Name)
		require.NotNil(t, m.Company, m.Name)
	}
	require.Empty(t, health.Models[0].Notes)
	require.Len(t, health.Models[1].Notes, 2, "the pooling is assumed, and the file is quantized")
	require.Equal(t, []string{"rerank"}, health.Models[2].Tasks)
	require.Contains(t, s.log.String(), "model is unchecked")

	ask := func(model, text string) (int, string) {
		return post(t, s.url+"/embed_all", map[string]any{"model": model, "inputs": text})
	}
	for _, item := range golden.Read(t, "foreign-bert").Items {
		if item.Name != "states/word" {
			continue
		}
		var states [][][]float32
		status, body := ask("org/bert", item.Text)
		require.Equal(t, 200, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &states))
		require.Len(t, states[0], len(item.IDs))
		for i, state := range states[0] {
			require.InDeltaSlice(t, item.Vector[i*16:(i+1)*16], state, 1e-5)
		}
	}
	status, body := ask("org/bert", strings.Repeat("w ", 31))
	require.Equal(t, 413, status, body)
	require.Contains(t, body, "one request may have 2048 (server.max_state_bytes)")
	status, body = ask("org/xlmr", "x")
	require.Equal(t, 424, status, body)
}
