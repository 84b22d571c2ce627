package inference

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference/onnxfile"
	"github.com/quadrate-maas/quadrate/models"
)

// folder writes files as JSON into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.True(t, json.Valid([]byte(content)), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// tensor is an input or output; a number is a fixed size, a string the name of any.
func tensor(name string, elem onnxfile.Type, dims ...any) onnxfile.Value {
	v := onnxfile.Value{Name: name, Type: elem}
	for _, d := range dims {
		if size, ok := d.(int); ok {
			v.Shape = append(v.Shape, onnxfile.Dim{Size: int64(size)})
		} else {
			v.Shape = append(v.Shape, onnxfile.Dim{Name: d.(string)})
		}
	}
	return v
}

func ids(name string) onnxfile.Value { return tensor(name, onnxfile.Int64, "batch", "length") }

var usualInputs = []onnxfile.Value{ids(inputIDs), ids(inputMask)}

const (
	f32 = onnxfile.Float
	f16 = onnxfile.Float16
)

const bertConfig = `{"architectures":["BertModel"],"model_type":"bert","hidden_size":8,"max_position_embeddings":64,"vocab_size":100,"pad_token_id":0}`

func TestWhatAGraphIsFor(t *testing.T) {
	states := tensor("last_hidden_state", f32, "batch", "length", 8)
	for name, c := range map[string]struct {
		config  string
		outputs []onnxfile.Value
		task    models.Task
		width   int
		output  string
		states  string
		pooled  bool
	}{
		"token states":            {bertConfig, []onnxfile.Value{states, tensor("pooler_output", f32, "batch", 8)}, models.TaskEmbed, 8, "last_hidden_state", "last_hidden_state", true},
		"states of unknown shape": {bertConfig, []onnxfile.Value{tensor("token_embeddings", f16)}, models.TaskEmbed, 8, "token_embeddings", "token_embeddings", true},
		"states of another name":  {bertConfig, []onnxfile.Value{tensor("output_0", f32, "b", "s", 8)}, models.TaskEmbed, 8, "output_0", "output_0", true},
		"its own pooling":         {bertConfig, []onnxfile.Value{tensor("token_embeddings", f32, "b", "s", 8), tensor("sentence_embedding", f32, "b", 5)}, models.TaskEmbed, 5, "sentence_embedding", "token_embeddings", false},
		"pooling without a width": {bertConfig, []onnxfile.Value{tensor("sentence_embedding", f32, "b", "d")}, models.TaskEmbed, 8, "sentence_embedding", "", false},
		"one label":               {`{"architectures":["BertForSequenceClassification"]}`, []onnxfile.Value{tensor("logits", f32, "b", 1)}, models.TaskRerank, 1, "logits", "", false},
		"labels of the config":    {`{"id2label":{"0":"a","1":"b","2":"c"}}`, []onnxfile.Value{tensor("logits", f32, "b", "l")}, models.TaskClassify, 3, "logits", "", false},
		"a classifier's states":   {`{"architectures":["XForSequenceClassification"],"hidden_size":8}`, []onnxfile.Value{states, tensor("logits", f32, "b", 2)}, models.TaskClassify, 2, "logits", "", false},
		"an encoder's logits":     {bertConfig, []onnxfile.Value{states, tensor("logits", f32, "b", "s", 100)}, models.TaskEmbed, 8, "last_hidden_state", "last_hidden_state", true},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := readHub(folder(t, map[string]string{"config.json": c.config}))
			require.NoError(t, err)
			r, err := roleOf(onnxfile.Signature{Inputs: usualInputs, Outputs: c.outputs}, h, "")
			require.NoError(t, err)
			require.Equal(t, c.task, r.task)
			require.Equal(t, c.width, r.dimensions)
			require.Equal(t, c.output, r.graph.output.name)
			require.Equal(t, c.states, r.graph.states.name)
			require.Equal(t, c.pooled, r.graph.pooling != nil)
		})
	}
}

func TestGraphsThatCannotServe(t *testing.T) {
	good := []onnxfile.Value{tensor("last_hidden_state", f32, "b", "s", 8)}
	with := func(more ...onnxfile.Value) []onnxfile.Value { return append(usualInputs[:2:2], more...) }
	for want, sig := range map[string]onnxfile.Signature{
		"its input past_key_values.0.key cannot be given: the graph generates text":            {Inputs: with(tensor("past_key_values.0.key", f32, "b", 1, "s", 8)), Outputs: good},
		"its input pixel_values cannot be given: the graph takes images":                       {Inputs: with(tensor("pixel_values", f32, "b", 3, 224, 224)), Outputs: good},
		"its input task_id cannot be given: the graph chooses an adapter by a number":          {Inputs: with(tensor("task_id", onnxfile.Int64)), Outputs: good},
		"its input lengths cannot be given: known are input_ids, attention_mask":               {Inputs: with(ids("lengths")), Outputs: good},
		"it has no input attention_mask":                                                       {Inputs: usualInputs[:1], Outputs: good},
		"its input token_type_ids is float32; it must be int64 or int32":                       {Inputs: with(tensor(inputTypes, f32, "b", "s")), Outputs: good},
		"its input position_ids has shape [1 128]; it must be [batch, length] of any size":     {Inputs: with(tensor(inputPositions, onnxfile.Int64, 1, 128)), Outputs: good},
		"pooler_output [b 8] float32; pooler_output is made for training on sentence pairs":    {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("pooler_output", f32, "b", 8)}},
		"logits [b s 100] float32; its logits are those of a language model":                   {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("logits", f32, "b", "s", 100)}},
		"last_hidden_state [b s 8] bfloat16; wanted is one of sentence_embedding":              {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("last_hidden_state", onnxfile.BFloat16, "b", "s", 8)}},
		"neither the graph nor id2label of config.json says how many logits it gives":          {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("logits", f32, "b", "l")}},
		"its output last_hidden_state has 65537 numbers a text or token, and may have 65536":   {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("last_hidden_state", f32, "b", "s", 1<<16+1)}},
		"its outputs cannot be used: a [b 8] float32, b [b 8] float32; wanted is one of sente": {Inputs: usualInputs, Outputs: []onnxfile.Value{tensor("a", f32, "b", 8), tensor("b", f32, "b", 8)}},
	} {
		h, err := readHub(folder(t, map[string]string{"config.json": bertConfig}))
		require.NoError(t, err)
		_, err = roleOf(sig, h, "")
		require.ErrorContains(t, err, want)
	}
}

func TestQuantizedOps(t *testing.T) {
	for _, op := range []string{"MatMulInteger", "DynamicQuantizeLinear", "com.microsoft.QAttention", "com.microsoft.MatMulNBits", "DequantizeLinear", "com.microsoft.DynamicQuantizeMatMul", "com.microsoft.MatMulBnb4"} {
		require.True(t, quantized(map[string]int{"Add": 1, op: 2}), op)
	}
	require.False(t, quantized(map[string]int{"MatMul": 1, "com.microsoft.Attention": 2, "Sqrt": 1, "Equal": 3}))
}

func TestInt32AndHalf(t *testing.T) {
	h, err := readHub(folder(t, map[string]string{"config.json": bertConfig}))
	require.NoError(t, err)
	r, err := roleOf(onnxfile.Signature{
		Inputs:  []onnxfile.Value{tensor(inputIDs, onnxfile.Int32, "b", "s"), ids(inputMask)},
		Outputs: []onnxfile.Value{tensor("token_embeddings", f16, "b", "s", 8)},
	}, h, "max")
	require.NoError(t, err)
	require.Equal(t, []string{inputIDs, inputMask}, r.graph.inputs)
	require.Equal(t, []string{inputIDs}, r.graph.int32s)
	require.True(t, r.graph.output.half)
	require.Equal(t, []poolKind{poolMax}, r.graph.pooling)
}
