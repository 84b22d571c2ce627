//go:build cgo

package ort

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// TestWeightsOutsideTheFolderAreRefused: a graph names the file of its weights, and whoever wrote
// it could name any. docs/security.md relies on ONNX Runtime to read no other than the model's.
func TestWeightsOutsideTheFolderAreRefused(t *testing.T) {
	const beside, above = "model.onnx_data", "../weights.data" // of one length, as the file says it
	require.Len(t, above, len(beside))
	model := golden.Model(t, "models/all-MiniLM-L6-v2")
	graph, err := os.ReadFile(filepath.Join(model, "model.onnx"))
	require.NoError(t, err)
	require.Contains(t, string(graph), beside)
	weights := filepath.Join(model, beside)
	rt, cfg := openTest(t)
	cfg.Inputs, cfg.Output, cfg.Width = append(cfg.Inputs, "token_type_ids"), "sentence_embedding", 384
	open := func(graph []byte, name string) (inference.Session, error) {
		t.Helper()
		folder := filepath.Join(t.TempDir(), "model")
		require.NoError(t, os.Mkdir(folder, 0o700))
		cfg.File = filepath.Join(folder, "model.onnx")
		require.NoError(t, os.WriteFile(cfg.File, graph, 0o600))
		require.NoError(t, os.Symlink(weights, filepath.Join(folder, name)))
		return rt.NewSession(cfg)
	}
	_, err = open(bytes.ReplaceAll(graph, []byte(beside), []byte(above)), above)
	require.ErrorContains(t, err, "escapes model directory")
	_, err = open(graph, beside)
	require.ErrorContains(t, err, "escapes model directory", "by a link")
	cfg.File = filepath.Join(model, "model.onnx")
	newSession(t, rt, cfg)
}
