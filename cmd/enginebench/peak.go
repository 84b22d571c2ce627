package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/quadrate-maas/quadrate/inference"
)

// product is a graph of matrix products of [rows, width] by [width, width] and what it computes.
// Its rows are made from one row of ids inside the graph, and its answer is one number, so that
// next to nothing is copied to and from a device.
type product struct {
	precision         string
	rows, width, deep int
}

func (p product) operations() float64 {
	return 2 * float64(p.rows) * float64(p.width) * float64(p.width) * float64(p.deep)
}

// The sizes keep every core or multiprocessor busy, and a run below a second.
func productsFor(provider string) []product {
	if provider == inference.ProviderCPU || provider == inference.ProviderOpenVINO {
		return []product{{"fp32", 1024, 1024, 8}, {"int8", 1024, 1024, 8}}
	}
	return []product{{"fp32", 8192, 4096, 8}, {"fp16", 8192, 4096, 32}}
}

const (
	peakTime = time.Second
	peakRuns = 3
)

// peaks measures what the session's provider reaches on large matrix products, in operations a
// second, by precision. One that the provider cannot run is left out.
func (s *subject) peaks(ctx context.Context) (map[string]float64, error) {
	dir, err := os.MkdirTemp("", "quadrate-peak")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := map[string]float64{}
	for _, p := range productsFor(s.config.Provider) {
		rate, err := s.peak(ctx, p, filepath.Join(dir, p.precision+".onnx"))
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err == nil {
			out[p.precision] = rate
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s runs none of the matrix products", s.config.Provider)
	}
	return out, nil
}

func (s *subject) peak(ctx context.Context, p product, file string) (float64, error) {
	if err := os.WriteFile(file, p.graph(), 0o600); err != nil {
		return 0, err
	}
	provider := s.config.Provider
	if provider == inference.ProviderTensorRT {
		provider = inference.ProviderCUDA // the same device, without an engine to build
	}
	session, err := s.native.NewSession(inference.SessionConfig{
		File: file, Inputs: []string{"input_ids"}, Output: "peak", Width: 1,
		Provider: provider, Device: s.config.Device, Threads: s.config.Threads, GPUMemLimit: s.config.GPUMemLimit,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = session.Close() }()
	batch := inference.Batch{Rows: 1, Length: p.width, IDs: make([]int64, p.width)}
	for i := range batch.IDs {
		batch.IDs[i] = int64(i % 2)
	}
	best := time.Duration(math.MaxInt64)
	for n, begin := 0, time.Now(); n < peakRuns || time.Since(begin) < peakTime; n++ {
		start := time.Now()
		if _, err := session.Run(ctx, batch); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return p.operations() / best.Seconds(), nil
}

func (p product) graph() []byte {
	g := &graph{}
	rows := uint64(p.rows)   //nolint:gosec // sizes of ours
	width := uint64(p.width) //nolint:gosec // sizes of ours
	g.constant("shape", onnxInt64, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, rows), width), 2)
	element := map[string]uint64{"fp32": onnxFloat, "fp16": onnxFloat16, "int8": onnxUint8}[p.precision]
	g.node("Cast", "row", []string{"input_ids"}, intAttribute("to", element))
	g.node("Expand", "x0", []string{"row", "shape"})
	last := p.chain(g, width)
	g.node("Cast", "float", []string{last}, intAttribute("to", onnxFloat))
	g.node("ReduceMax", "peak", []string{"float"}, intsAttribute("axes", 0, 1), intAttribute("keepdims", 1))
	return g.model(valueInfo("input_ids", onnxInt64, 1, width), valueInfo("peak", onnxFloat, 1, 1))
}

// chain adds the products and returns the name of the last result. In floating point each takes
// the one before; an integer product gives 32 bits, so there each takes the same rows, by other
// weights, and the results are added.
func (p product) chain(g *graph, width uint64) string {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any numbers do
	if p.precision == "int8" {
		return p.integerProducts(g, width, random)
	}
	element, raw := uint64(onnxFloat), floats(random, p.width)
	if p.precision == "fp16" {
		element, raw = onnxFloat16, halves(raw)
	}
	g.constant("w", element, raw, width, width)
	for k := range p.deep {
		g.node("MatMul", fmt.Sprintf("x%d", k+1), []string{fmt.Sprintf("x%d", k), "w"})
	}
	return fmt.Sprintf("x%d", p.deep)
}

func (p product) integerProducts(g *graph, width uint64, random *rand.Rand) string {
	sum := ""
	for k := range p.deep {
		raw := make([]byte, p.width*p.width)
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		weights, result := fmt.Sprintf("w%d", k), fmt.Sprintf("y%d", k)
		g.constant(weights, onnxInt8, raw, width, width)
		g.node("MatMulInteger", result, []string{"x0", weights})
		if sum != "" {
			total := fmt.Sprintf("sum%d", k)
			g.node("Add", total, []string{sum, result})
			result = total
		}
		sum = result
	}
	return sum
}

// floats are width x width numbers of variance 1/width, which keep a chain of products from
// growing or fading.
func floats(random *rand.Rand, width int) []byte {
	bound := math.Sqrt(3 / float64(width))
	raw := make([]byte, 0, 4*width*width)
	for range width * width {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32((2*random.Float64()-1)*bound)))
	}
	return raw
}

// halves cuts float32 numbers below 1 to float16; what is too small for its normal range is 0.
func halves(raw []byte) []byte {
	out := make([]byte, 0, len(raw)/2)
	for i := 0; i < len(raw); i += 4 {
		bits := binary.LittleEndian.Uint32(raw[i:])
		half := bits >> 16 & 0x8000
		if exponent := int(bits>>23&0xff) - 127 + 15; exponent > 0 {
			half |= uint32(exponent)<<10 | bits>>13&0x3ff //nolint:gosec // below 31
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(half)) //nolint:gosec // 16 bits
	}
	return out
}
