package onnxfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of a small graph, by hand: what a reader must make of them is known.

func bytesField(number protowire.Number, data ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), data)
}

func textField(number protowire.Number, text string) []byte {
	return bytesField(number, []byte(text)...)
}

func varintField(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// valueInfo is a tensor of some shape: a positive size, or "" and names.
func valueInfo(name string, elem Type, dims ...any) []byte {
	var shape []byte
	for _, d := range dims {
		if size, ok := d.(int); ok {
			shape = append(shape, bytesField(shapeDim, varintField(dimValue, uint64(size))...)...)
		} else {
			shape = append(shape, bytesField(shapeDim, textField(dimParam, d.(string))...)...)
		}
	}
	tensor := join(varintField(tensorElem, uint64(elem)), bytesField(tensorShape, shape...))
	return join(textField(valueName, name), bytesField(valueType, bytesField(typeTensor, tensor...)...))
}

func smallModel(weight int) []byte {
	node := func(op, domain string) []byte {
		return bytesField(graphNode, join(textField(1, "in"), textField(nodeOp, op), textField(nodeDomain, domain))...)
	}
	initializer := bytesField(graphInitializer, join(varintField(2, 1), textField(tensorName, "w"), bytesField(9, make([]byte, weight)...))...)
	graph := join(node("MatMul", ""), node("MatMul", "ai.onnx"), node("QAttention", "com.microsoft"), initializer,
		bytesField(graphInput, valueInfo("input_ids", Int64, "batch", "length")...),
		bytesField(graphInput, valueInfo("w", Float, 4)...),
		bytesField(graphInput, valueInfo("attention_mask", Int32, 1, "length")...),
		bytesField(graphOutput, valueInfo("last_hidden_state", Float16, "batch", "length", 384)...),
		bytesField(graphOutput, textField(valueName, "untyped")...))
	return join(varintField(1, 8), textField(2, "a test"), protowire.AppendFixed32(protowire.AppendTag(nil, 90, protowire.Fixed32Type), 1),
		protowire.AppendFixed64(protowire.AppendTag(nil, 91, protowire.Fixed64Type), 1), bytesField(modelGraph, graph...))
}

func readBytes(data []byte) (Signature, error) {
	return read(bytes.NewReader(data), int64(len(data)))
}

func TestSignature(t *testing.T) {
	s, err := readBytes(smallModel(3 * window))
	require.NoError(t, err)
	require.Equal(t, []Value{
		{Name: "input_ids", Type: Int64, Shape: []Dim{{Name: "batch"}, {Name: "length"}}},
		{Name: "attention_mask", Type: Int32, Shape: []Dim{{Size: 1}, {Name: "length"}}},
	}, s.Inputs, "a weight that is listed as an input is none")
	require.Equal(t, []Value{
		{Name: "last_hidden_state", Type: Float16, Shape: []Dim{{Name: "batch"}, {Name: "length"}, {Size: 384}}},
		{Name: "untyped"},
	}, s.Outputs)
	require.Equal(t, map[string]int{"MatMul": 2, "com.microsoft.QAttention": 1}, s.Ops)
	require.Equal(t, "[batch length 384] float16", sprint(s.Outputs[0]))
}

func sprint(v Value) string {
	text := ""
	for _, d := range v.Shape {
		text += " " + d.String()
	}
	return "[" + text[1:] + "] " + v.Type.String()
}

// counting counts what is read.
type counting struct {
	data []byte
	read int
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	n, err := bytes.NewReader(c.data).ReadAt(p, at)
	c.read += n
	return n, err
}

func TestWeightsAreNotRead(t *testing.T) {
	c := &counting{data: smallModel(32 << 20)}
	_, err := read(c, int64(len(c.data)))
	require.NoError(t, err)
	require.Less(t, c.read, 4*window)
}

func TestWhatIsNoModel(t *testing.T) {
	model := smallModel(100)
	for _, cut := range []int{1, 10, 60, 150, len(model) - 1} {
		_, err := readBytes(model[:cut])
		require.Error(t, err, "cut after %d bytes", cut)
	}
	_, err := readBytes(nil)
	require.EqualError(t, err, "it has no graph")
	file := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(file, []byte("version https://git-lfs.github.com/spec/v1\n"), 0o600))
	_, err = Read(file)
	require.ErrorContains(t, err, file+" is no ONNX file that can be read: malformed protocol buffer")
	_, err = Read(file + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, model, 0o600))
	s, err := Read(file)
	require.NoError(t, err)
	require.Len(t, s.Inputs, 2)
}

func FuzzRead(f *testing.F) {
	f.Add(smallModel(10))
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := readBytes(data)
		if err == nil && len(s.Inputs)+len(s.Outputs) > len(data) {
			t.Errorf("%d values of %d bytes", len(s.Inputs)+len(s.Outputs), len(data))
		}
	})
}
