package inference

import (
	"context"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

const (
	// How long one batch is to take, so that a single query that arrives behind one waits no
	// longer than this. On a CPU a token costs the same in any batch of 256 tokens and more
	// (docs/benchmarks/runners.md), so nothing is to be had from longer ones.
	batchTimeCPU = 100 * time.Millisecond
	batchTimeGPU = 15 * time.Millisecond

	// Bounds of the measured token budget. The floor keeps small batches worth forming on a
	// slow machine, the ceiling bounds memory on a fast one.
	minBatchTokens = 512
	maxBatchTokens = 64 * 1024

	defaultMaxItems       = 256
	defaultMaxQueuedItems = 8192
	defaultQueueTimeout   = 5 * time.Second

	// Shape of the batch whose time is measured. It is run until the fastest probeAgree runs
	// differ by no more than probeSpread, or probeTime is over, and at least minProbes times.
	probeRows, probeLength = 4, 64
	minProbes, probeAgree  = 2, 3
	probeSpread            = 1.1
	probeTime              = 400 * time.Millisecond

	// A run is given up after so many times what its longest item should take, and never
	// before minRunLimit: by then something is broken, not slow.
	runSlack    = 20
	minRunLimit = time.Minute
)

// speed measures how many tokens a second the session does: the fastest of several runs of
// 4 x 64 tokens, after the reference inputs have warmed it up. Other work on the machine makes
// a run slower, never faster, so runs go on until the fastest ones agree.
func speed(ctx context.Context, s Session, m *Manifest) (float64, error) {
	batch := probe(m)
	var took []time.Duration // ascending
	for begin := time.Now(); len(took) < minProbes || !agree(took) && time.Since(begin) < probeTime; {
		start := time.Now()
		if _, err := s.Run(ctx, batch); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
		slices.Sort(took)
	}
	return float64(batch.Rows*batch.Length) / max(took[0].Seconds(), 1e-6), nil
}

func agree(took []time.Duration) bool {
	return len(took) >= probeAgree && float64(took[probeAgree-1]) <= probeSpread*float64(took[0])
}

// probe is a batch of the probe's shape, of ids that the references use.
func probe(m *Manifest) Batch {
	ids := m.Reference[0].IDs
	row := tokenizer.Encoding{IDs: make([]uint32, min(probeLength, m.MaxLength))}
	for i := range row.IDs {
		row.IDs[i] = ids[i%len(ids)]
	}
	return newPadder(m).pad(slices.Repeat([]tokenizer.Encoding{row}, probeRows))
}

// sized fills in what the spec leaves to the machine, from the measured tokens a second.
func sized(spec models.BatcherSpec, provider string, tokensPerSecond float64, requestTimeout time.Duration) models.BatcherSpec {
	target := batchTimeGPU
	if !OnGPU(provider) {
		target = batchTimeCPU
	}
	ceiling := maxBatchTokens
	if provider == ProviderTensorRT {
		ceiling = profileTokens
	}
	if spec.MaxTokens == 0 {
		spec.MaxTokens = min(max(int(tokensPerSecond*target.Seconds()), minBatchTokens), ceiling)
	}
	if spec.MaxItems == 0 {
		spec.MaxItems = defaultMaxItems
	}
	if spec.MaxQueuedItems == 0 {
		spec.MaxQueuedItems = defaultMaxQueuedItems
	}
	if spec.MaxQueuedTokens == 0 {
		// More than drains in time would only wait for its deadline.
		spec.MaxQueuedTokens = max(int(tokensPerSecond*requestTimeout.Seconds()), 4*spec.MaxTokens)
	}
	if spec.QueueTimeout == 0 {
		spec.QueueTimeout = defaultQueueTimeout
	}
	return spec
}

// runLimit is when a run is given up. It does not depend on the request timeout: a run that
// nobody waits for any more is no reason to doubt the session.
func runLimit(tokensPerSecond float64, longest int) time.Duration {
	expected := time.Duration(float64(longest) / tokensPerSecond * float64(time.Second))
	return max(minRunLimit, runSlack*expected)
}
