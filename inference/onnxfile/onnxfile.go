// Package onnxfile tells what an ONNX file takes and gives, without loading it: it walks the
// file's protocol buffer and seeks past the weights. It does not judge a graph, run it, or
// look at its numbers.
package onnxfile

import (
	"fmt"
	"os"
)

// Signature is what a graph takes and gives, in the file's order.
type Signature struct {
	Inputs, Outputs []Value
	// Ops counts the graph's nodes by operator, "MatMul" or "com.microsoft.QAttention"; those
	// of ONNX itself are without their domain. Nodes of subgraphs and functions are not counted.
	Ops map[string]int
}

// Value is one input or output.
type Value struct {
	Name string
	Type Type
	// Shape has one entry for each axis; nil: the file does not say, or the value is no tensor.
	Shape []Dim
}

// Dim is one axis: Size where it is fixed, else a name, which may be empty.
type Dim struct {
	Size int64
	Name string
}

// Fixed reports whether the axis has one size only.
func (d Dim) Fixed() bool { return d.Size > 0 }

func (d Dim) String() string {
	switch {
	case d.Fixed():
		return fmt.Sprint(d.Size)
	case d.Name != "":
		return d.Name
	default:
		return "?"
	}
}

// Type is an element type, in ONNX's numbering (TensorProto.DataType).
type Type int32

// The element types that callers branch on.
const (
	None     Type = 0 // no tensor, or not said
	Float    Type = 1
	Int32    Type = 6
	Int64    Type = 7
	Float16  Type = 10
	Double   Type = 11
	BFloat16 Type = 16
)

func (t Type) String() string {
	names := map[Type]string{None: "no tensor", Float: "float32", Int32: "int32", Int64: "int64", Float16: "float16", Double: "float64", BFloat16: "bfloat16"}
	if name, ok := names[t]; ok {
		return name
	}
	return fmt.Sprintf("ONNX type %d", int32(t))
}

// Read reads the signature of the ONNX file at path. Weights that stand beside it are not needed.
func Read(path string) (Signature, error) {
	file, err := os.Open(path)
	if err != nil {
		return Signature{}, err
	}
	defer func() { _ = file.Close() }()
	stat, err := file.Stat()
	if err != nil {
		return Signature{}, err
	}
	s, err := read(file, stat.Size())
	if err != nil {
		return Signature{}, fmt.Errorf("%s is no ONNX file that can be read: %w", path, err)
	}
	return s, nil
}
