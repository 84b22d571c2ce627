// Package golden reads testdata/golden, the answers of the reference libraries, and finds
// the models that `make setup` makes. It serves tests of other packages only, and knows
// neither models nor how answers are compared.
package golden

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// File is one file of testdata/golden, made by scripts/golden/make_goldens.py.
type File struct {
	Items []Item `json:"items"`
	Sets  []Set  `json:"sets"`
}

// Item is a text, or a pair of texts, with what the reference makes of it.
type Item struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Pair string `json:"pair"`
	// Prompt is the name of the prompt that the text was given, or empty.
	Prompt string    `json:"prompt"`
	IDs    []uint32  `json:"ids"`
	Vector Vector    `json:"vector"`
	Logits []float64 `json:"logits"`
	// Batched are the logits of the same pair in a padded batch.
	Batched []float64 `json:"logits_batched"`
}

// Set is a query with documents: their scores, and their indices by score.
type Set struct {
	Name      string    `json:"name"`
	Query     string    `json:"query"`
	Documents []string  `json:"documents"`
	Order     []int     `json:"order"`
	Scores    []float64 `json:"scores"`
}

// Vector is written as the base64 of little-endian float32.
type Vector []float32

// UnmarshalJSON implements json.Unmarshaler.
func (v *Vector) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	*v = make(Vector, len(raw)/4)
	for i := range *v {
		(*v)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// Read reads testdata/golden/NAME.json.
func Read(t testing.TB, name string) File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(Root(), "testdata", "golden", name+".json"))
	require.NoError(t, err)
	var f File
	require.NoError(t, json.Unmarshal(data, &f))
	return f
}

// Root is the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Library is the path of ONNX Runtime's library.
func Library() string { return filepath.Join(Root(), "var", "lib", "libonnxruntime.so") }

// OpenVINO is the path of OpenVINO's provider library, which only `make setup-openvino` fetches;
// without it the test is skipped. QUADRATE_OPENVINO_LIBRARY names another.
func OpenVINO(t testing.TB) string {
	t.Helper()
	path := os.Getenv("QUADRATE_OPENVINO_LIBRARY")
	if path == "" {
		path = filepath.Join(Root(), "var", "lib", "openvino", "libonnxruntime_providers_openvino_plugin.so")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("run `make setup-openvino` first: %v", err)
	}
	return path
}

// Model returns a model's folder below var/. Without it the test is skipped, or fails where
// QUADRATE_REQUIRE_MODELS is 1.
func Model(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(Root(), "var", dir)
	if _, err := os.Stat(filepath.Join(path, "quadrate.json")); err != nil {
		if os.Getenv("QUADRATE_REQUIRE_MODELS") == "1" {
			require.NoError(t, err, "run `make test-setup`")
		}
		t.Skipf("run `make test-setup` first: %v", err)
	}
	return path
}

// Exported returns a model's folder below testdata/exported, made by scripts/golden/make_exported.py.
func Exported(name string) string { return filepath.Join(Root(), "testdata", "exported", name) }

// Difference is the largest absolute difference of a number; infinite where the lengths differ.
func Difference(a, b []float32) (largest float64) {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	for i := range a {
		largest = max(largest, math.Abs(float64(a[i])-float64(b[i])))
	}
	return largest
}
