//go:build cgo

package ort

import (
	"strings"

	"github.com/quadrate-maas/quadrate/inference"
)

// providerNames are ONNX Runtime's names of the execution providers.
var providerNames = map[string]string{
	inference.ProviderCPU:      "CPUExecutionProvider",
	inference.ProviderCUDA:     "CUDAExecutionProvider",
	inference.ProviderTensorRT: "TensorrtExecutionProvider",
	inference.ProviderOpenVINO: openVINOProvider,
}

// share is the part of a graph's matrix products and attentions that a provider runs, of 1;
// 1 where there are none.
func share(nodes []node, provider string) float64 {
	heavy, placed := 0, 0
	for _, n := range nodes {
		if !isHeavy(n.operator) {
			continue
		}
		heavy++
		if n.provider == provider {
			placed++
		}
	}
	if heavy == 0 {
		return 1
	}
	return float64(placed) / float64(heavy)
}

// isHeavy reports whether an operator does the work: MatMul, MatMulInteger, FusedMatMul,
// Gemm, Attention, PackedAttention, QAttention, MultiHeadAttention and their like.
func isHeavy(operator string) bool {
	return strings.Contains(operator, "MatMul") || strings.Contains(operator, "Attention") || strings.Contains(operator, "Gemm")
}
