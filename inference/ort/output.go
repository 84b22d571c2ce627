//go:build cgo

package ort

import (
	"encoding/binary"
	"math"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

// output is memory of ours that a run writes into, since its size is known beforehand:
// nothing is copied, and the values stay ours after the tensor is gone.
type output struct {
	inference.Output
	tensor onnx.Value
	// half holds float16 outputs; the binding can make no tensor of these by itself.
	half []byte
}

// newOutput makes the tensor for a batch's answers; the caller destroys it.
func newOutput(cfg inference.SessionConfig, batch inference.Batch) (_ *output, err error) {
	o := &output{Output: inference.Output{Width: cfg.Width}}
	shape := onnx.NewShape(int64(batch.Rows), int64(cfg.Width))
	if cfg.States {
		o.Length = batch.Length
		shape = onnx.NewShape(int64(batch.Rows), int64(batch.Length), int64(cfg.Width))
	}
	size := int(shape.FlattenedSize())
	if o.Values = batch.Memory; cap(o.Values) < size {
		o.Values = make([]float32, size)
	}
	o.Values = o.Values[:size]
	if cfg.Half {
		o.half = make([]byte, 2*size)
		o.tensor, err = onnx.NewCustomDataTensor(shape, o.half, onnx.TensorElementDataTypeFloat16)
	} else {
		o.tensor, err = onnx.NewTensor(shape, o.Values)
	}
	return o, err
}

// values returns the numbers after the run.
func (o *output) values() inference.Output {
	for i := 0; i < len(o.half); i += 2 {
		o.Values[i/2] = float16(binary.NativeEndian.Uint16(o.half[i:]))
	}
	return o.Output
}

func (o *output) destroy() { _ = o.tensor.Destroy() }

// float16 reads an IEEE 754 binary16. Shifted into place, its exponent is 112 too small for a
// float32, which one multiplication mends, for subnormal numbers too.
func float16(bits uint16) float32 {
	const exponents, scale = 0x7c00, 0x1p112
	sign, rest := uint32(bits&0x8000)<<16, uint32(bits&0x7fff)
	if rest >= exponents { // infinite or not a number
		return math.Float32frombits(sign | 0x7f800000 | (rest&0x3ff)<<13)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest<<13)*scale))
}
