package onnxfile

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of onnx.proto, as far as they are read.
const (
	modelGraph = 7

	graphNode        = 1
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12

	nodeOp     = 4
	nodeDomain = 7

	tensorName = 8

	valueName = 1
	valueType = 2

	typeTensor  = 1
	tensorElem  = 1
	tensorShape = 2

	shapeDim = 1
	dimValue = 1
	dimParam = 2
)

const (
	// window is how much is read at once: a node's names fit, and its neighbour's often too.
	window = 4096
	// maxBytes bounds what is read as one piece: a name, or a value with its shape.
	maxBytes = 1 << 16
)

// errMalformed says no more than that: the file's maker is to be asked.
var errMalformed = errors.New("malformed protocol buffer")

// reader reads a protocol buffer through a window of the file.
type reader struct {
	file io.ReaderAt
	buf  []byte // the file's bytes from at on, up to window
	at   int64
	held [window]byte
}

// message is a part of the file: the bytes from at to end.
type message struct {
	*reader
	next, end int64
}

// field is one field of a message: its bytes are from at to end where it has a length.
type field struct {
	number  protowire.Number
	kind    protowire.Type
	varint  uint64
	at, end int64
}

// peek returns up to n bytes from at on, fewer at the end of the file.
func (r *reader) peek(at int64, n int) ([]byte, error) {
	if at < r.at || at+int64(n) > r.at+int64(len(r.buf)) {
		count, err := r.file.ReadAt(r.held[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		r.at, r.buf = at, r.held[:count]
	}
	start := int(at - r.at)
	return r.buf[start:min(start+n, len(r.buf))], nil
}

// each visits the message's fields in turn, reading no more of them than their head.
func (m message) each(visit func(f field) error) error {
	for m.next < m.end {
		f, after, err := m.head()
		if err != nil {
			return err
		}
		m.next = after
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// head reads the field at next, and returns where the one after it begins.
func (m message) head() (field, int64, error) {
	const most = 20 // a tag and a length or value
	data, err := m.peek(m.next, int(min(most, m.end-m.next)))
	if err != nil {
		return field{}, 0, err
	}
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 {
		return field{}, 0, errMalformed
	}
	f := field{number: number, kind: kind, at: m.next + int64(n)}
	switch kind {
	case protowire.VarintType, protowire.BytesType:
		value, size := protowire.ConsumeVarint(data[n:])
		if size < 0 {
			return field{}, 0, errMalformed
		}
		f.varint, f.end = value, f.at+int64(size)
		if kind == protowire.BytesType {
			f.at = f.end
			if value > uint64(m.end-f.at) {
				return field{}, 0, errMalformed
			}
			f.end += int64(value)
		}
	case protowire.Fixed32Type:
		f.end = f.at + 4
	case protowire.Fixed64Type:
		f.end = f.at + 8
	default:
		return field{}, 0, errMalformed
	}
	if f.end > m.end {
		return field{}, 0, errMalformed
	}
	return f, f.end, nil
}

func (m message) sub(f field) (message, error) {
	if f.kind != protowire.BytesType {
		return message{}, errMalformed
	}
	return message{reader: m.reader, next: f.at, end: f.end}, nil
}

func (m message) text(f field) (string, error) {
	if f.kind != protowire.BytesType || f.end-f.at > maxBytes {
		return "", errMalformed
	}
	data := make([]byte, f.end-f.at)
	if _, err := m.file.ReadAt(data, f.at); err != nil {
		return "", err
	}
	return string(data), nil
}

func read(file io.ReaderAt, size int64) (Signature, error) {
	m := message{reader: &reader{file: file}, end: size}
	s := Signature{Ops: map[string]int{}}
	found := false
	err := m.each(func(f field) error {
		if f.number != modelGraph {
			return nil
		}
		found = true
		graph, err := m.sub(f)
		if err != nil {
			return err
		}
		return s.graph(graph)
	})
	if err == nil && !found {
		err = errors.New("it has no graph")
	}
	return s, err
}

func (s *Signature) graph(m message) error {
	weights := map[string]bool{}
	err := m.each(func(f field) error {
		switch f.number {
		case graphNode, graphInitializer, graphInput, graphOutput:
		default:
			return nil
		}
		part, err := m.sub(f)
		if err != nil {
			return err
		}
		switch f.number {
		case graphNode:
			return s.node(part)
		case graphInitializer:
			return name(part, weights)
		case graphInput:
			return value(part, &s.Inputs)
		default:
			return value(part, &s.Outputs)
		}
	})
	if err != nil {
		return err
	}
	// Before ONNX's IR version 4 weights had to be listed among the inputs too.
	inputs := s.Inputs[:0]
	for _, v := range s.Inputs {
		if !weights[v.Name] {
			inputs = append(inputs, v)
		}
	}
	s.Inputs = inputs
	return nil
}

func (s *Signature) node(m message) error {
	var op, domain string
	err := m.each(func(f field) (err error) {
		switch f.number {
		case nodeOp:
			op, err = m.text(f)
		case nodeDomain:
			domain, err = m.text(f)
		}
		return err
	})
	if domain != "" && domain != "ai.onnx" {
		op = domain + "." + op
	}
	s.Ops[op]++
	return err
}

// name notes a weight's name.
func name(m message, into map[string]bool) error {
	return m.each(func(f field) error {
		if f.number != tensorName {
			return nil
		}
		text, err := m.text(f)
		into[text] = true
		return err
	})
}

func value(m message, into *[]Value) error {
	if m.end-m.next > maxBytes {
		return errMalformed
	}
	var v Value
	err := m.each(func(f field) (err error) {
		switch f.number {
		case valueName:
			v.Name, err = m.text(f)
		case valueType:
			err = m.within(f, typeTensor, func(m message, f field) error {
				return m.tensor(f, &v)
			})
		}
		return err
	})
	*into = append(*into, v)
	return err
}

// within visits the fields of one number in the message that f is.
func (m message) within(f field, number protowire.Number, visit func(m message, f field) error) error {
	inner, err := m.sub(f)
	if err != nil {
		return err
	}
	return inner.each(func(f field) error {
		if f.number != number {
			return nil
		}
		return visit(inner, f)
	})
}

func (m message) tensor(f field, v *Value) error {
	t, err := m.sub(f)
	if err != nil {
		return err
	}
	return t.each(func(f field) error {
		switch f.number {
		case tensorElem:
			v.Type = Type(f.varint) //nolint:gosec // an enum; an absurd one is refused by its name
		case tensorShape:
			v.Shape = []Dim{}
			return t.within(f, shapeDim, func(m message, f field) error { return m.dim(f, v) })
		}
		return nil
	})
}

func (m message) dim(f field, v *Value) error {
	d, err := m.sub(f)
	if err != nil {
		return err
	}
	var dim Dim
	err = d.each(func(f field) (err error) {
		switch f.number {
		case dimValue:
			if f.kind != protowire.VarintType {
				return fmt.Errorf("%w: a size that is no number", errMalformed)
			}
			dim.Size = int64(f.varint) //nolint:gosec // what is not positive is no fixed size
		case dimParam:
			dim.Name, err = d.text(f)
		}
		return err
	})
	v.Shape = append(v.Shape, dim)
	return err
}
