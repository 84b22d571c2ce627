package main

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// The element types of ONNX tensors that are used here.
const (
	onnxFloat   = 1
	onnxUint8   = 2
	onnxInt8    = 3
	onnxInt64   = 7
	onnxFloat16 = 10
)

// graph writes a small ONNX model, field by field as onnx.proto numbers them.
type graph struct {
	body []byte
}

func field(b []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), content)
}

func varint(b []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
}

// node adds an operator with one output.
func (g *graph) node(op, output string, inputs []string, attributes ...[]byte) {
	var n []byte
	for _, input := range inputs {
		n = field(n, 1, []byte(input))
	}
	n = field(n, 2, []byte(output))
	n = field(n, 4, []byte(op))
	for _, a := range attributes {
		n = field(n, 5, a)
	}
	g.body = field(g.body, 1, n)
}

func intAttribute(name string, value uint64) []byte {
	const typeInt = 2
	return varint(varint(field(nil, 1, []byte(name)), 3, value), 20, typeInt)
}

func intsAttribute(name string, values ...uint64) []byte {
	const typeInts = 7
	a := field(nil, 1, []byte(name))
	for _, v := range values {
		a = varint(a, 8, v)
	}
	return varint(a, 20, typeInts)
}

// constant adds an initializer whose numbers lie in raw, little-endian.
func (g *graph) constant(name string, elementType uint64, raw []byte, dims ...uint64) {
	var t []byte
	for _, d := range dims {
		t = varint(t, 1, d)
	}
	t = varint(t, 2, elementType)
	t = field(t, 8, []byte(name))
	t = field(t, 9, raw)
	g.body = field(g.body, 5, t)
}

func valueInfo(name string, elementType uint64, dims ...uint64) []byte {
	var shape []byte
	for _, d := range dims {
		shape = field(shape, 1, varint(nil, 1, d))
	}
	tensor := field(varint(nil, 1, elementType), 2, shape)
	return field(field(nil, 1, []byte(name)), 2, field(nil, 1, tensor))
}

// model closes the graph, with its one input and output.
func (g *graph) model(input, output []byte) []byte {
	const irVersion, opset = 8, 17
	body := field(g.body, 2, []byte("peak"))
	body = field(field(body, 11, input), 12, output)
	m := varint(nil, 1, irVersion)
	m = field(m, 7, body)
	return field(m, 8, varint(field(nil, 1, nil), 2, opset))
}
