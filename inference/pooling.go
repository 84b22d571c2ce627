package inference

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// poolKind is a way to make one vector of a text's token states.
type poolKind string

// The ways there are, under the names of sentence-transformers' Pooling module.
const (
	poolCLS      poolKind = "cls"                  // the first token's state
	poolMax      poolKind = "max"                  // the largest of each number
	poolMean     poolKind = "mean"                 // sum / length
	poolMeanSqrt poolKind = "mean_sqrt_len_tokens" // sum / sqrt(length)
	poolWeighted poolKind = "weightedmean"         // sum of i × state i / sum of i, from 1
	poolLast     poolKind = "lasttoken"            // the last token's state
)

// poolFuncs write to out what they make of states, row-major [n, len(out)] with n at least 1.
// sum is scratch memory of len(out). Sums are float64, whose rounding is far below a
// float32's for any length.
var poolFuncs = map[poolKind]func(out, states []float32, sum []float64){
	poolCLS:  func(out, states []float32, _ []float64) { copy(out, states) },
	poolLast: func(out, states []float32, _ []float64) { copy(out, states[len(states)-len(out):]) },
	poolMax:  poolLargest,
	poolMean: func(out, states []float32, sum []float64) {
		add(sum, states)
		divide(out, sum, float64(len(states)/len(out)))
	},
	poolMeanSqrt: func(out, states []float32, sum []float64) {
		add(sum, states)
		divide(out, sum, math.Sqrt(float64(len(states)/len(out))))
	},
	poolWeighted: poolWeightedMean,
}

func poolLargest(out, states []float32, _ []float64) {
	copy(out, states)
	for at := len(out); at < len(states); at += len(out) {
		for k, x := range states[at : at+len(out)] {
			out[k] = max(out[k], x)
		}
	}
}

func poolWeightedMean(out, states []float32, sum []float64) {
	clear(sum)
	n := len(states) / len(out)
	for i := range n {
		weight := float64(i + 1)
		for k, x := range states[i*len(out) : (i+1)*len(out)] {
			sum[k] += weight * float64(x)
		}
	}
	divide(out, sum, float64(n)*float64(n+1)/2)
}

// add sums rows.
func add(sum []float64, states []float32) {
	clear(sum)
	for at := 0; at < len(states); at += len(sum) {
		for k, x := range states[at : at+len(sum)] {
			sum[k] += float64(x)
		}
	}
}

func divide(out []float32, sum []float64, by float64) {
	for k, x := range sum {
		out[k] = float32(x / by)
	}
}

// parsePooling reads the names of poolings, joined by commas as the configuration has them.
// Several are put one behind the other.
func parsePooling(text string) ([]poolKind, error) {
	var kinds []poolKind
	for name := range strings.SplitSeq(text, ",") {
		kind := poolKind(strings.TrimSpace(name))
		if other, ok := exportedPoolings[string(kind)]; ok {
			kind = other
		}
		if poolFuncs[kind] == nil {
			return nil, fmt.Errorf("pooling %q is not supported; there are %s", kind, strings.Join(poolings(), ", "))
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// exportedPoolings are the names of scripts/quadrate_export where they differ.
var exportedPoolings = map[string]poolKind{"last": poolLast, "mean_sqrt_len": poolMeanSqrt}

func poolings() []string {
	names := make([]string, 0, len(poolFuncs))
	for kind := range poolFuncs {
		names = append(names, string(kind))
	}
	slices.Sort(names)
	return names
}

// pooled makes each row of states one vector: [Rows, Length, Width] gives [Rows, len(kinds) ×
// Width]. Padding is not read: lengths has each row's number of tokens. A row without any is 0.
func pooled(states Output, lengths []int, kinds []poolKind) Output {
	out := Output{Width: states.Width * len(kinds)}
	out.Values = make([]float32, len(lengths)*out.Width)
	sum := make([]float64, states.Width)
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		row, rest := states.Row(i)[:n*states.Width], out.Row(i)
		for _, kind := range kinds {
			poolFuncs[kind](rest[:states.Width], row, sum)
			rest = rest[states.Width:]
		}
	}
	return out
}
