package inference

import "math"

// norm is the Euclidean norm of v, summed in float64.
func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// normalized returns v scaled to Euclidean norm 1. Like torch.nn.functional.normalize it
// divides by max(norm, 1e-12), so a zero vector stays zero.
func normalized(v []float32) []float32 {
	scale := 1 / math.Max(norm(v), 1e-12)
	unit := make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(float64(x) * scale)
	}
	return unit
}

// cosine of the angle between a and b, which have equal length; in [-1, 1], and 0 when
// either is zero.
func cosine(a, b []float32) float64 {
	var dot float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	lengths := norm(a) * norm(b)
	if lengths == 0 {
		return 0
	}
	return math.Max(-1, math.Min(1, dot/lengths))
}

// sigmoid is 1/(1+exp(-x)).
func sigmoid(x float32) float32 {
	return float32(1 / (1 + math.Exp(-float64(x))))
}

func finite(v []float32) bool {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}
