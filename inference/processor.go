package inference

import (
	"runtime"
	"sync"

	"github.com/klauspost/cpuid/v2"
)

// processor is what the choice of a variant depends on.
type processor struct {
	// fp16 and bf16: it multiplies matrices of that precision faster than of fp32.
	fp16, bf16 bool
	// int8: it multiplies bytes without saturating between the steps.
	int8 bool
}

// thisProcessor reports the processor that this process runs on. AVX512-FP16 without AMX-FP16
// does not count: there AMX-BF16 is several times as fast.
func thisProcessor() processor {
	return processor{
		fp16: cpuid.CPU.Supports(cpuid.AMXFP16),
		bf16: cpuid.CPU.Supports(cpuid.AMXBF16) || cpuid.CPU.Supports(cpuid.AVX512BF16),
		int8: cpuid.CPU.Supports(cpuid.AVX512VNNI) || cpuid.CPU.Supports(cpuid.AVXVNNI) || cpuid.CPU.Supports(cpuid.AMXINT8) || runtime.GOARCH != "amd64",
	}
}

var coresHere = sync.OnceValue(func() int { return physicalCores(sysCPU) })

// Threads is how many threads runs on the CPU use together: configured, or, for 0, one for each
// physical core, since two hyperthreads share the units that multiply matrices, and never more
// than GOMAXPROCS, which since Go 1.25 honours a container's CPU limit and the CPUs the process
// is bound to.
func Threads(configured int) int {
	if configured > 0 {
		return configured
	}
	limit := runtime.GOMAXPROCS(0)
	if cores := coresHere(); cores > 0 {
		limit = min(limit, cores)
	}
	return limit
}
