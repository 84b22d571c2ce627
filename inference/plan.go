package inference

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

const variantAuto = "auto"

// The variants. Each is a file of the model, except that OpenVINO computes the fp32 file in
// fp16 and bf16 by itself.
const (
	variantFP32   = "fp32"
	variantFP16   = "fp16"
	variantBF16   = "bf16"
	variantInt8   = "int8"
	variantPacked = "packed"
	variantTRT    = "trt"
)

var variantsKnown = []string{variantFP32, variantFP16, variantBF16, variantInt8, variantPacked, variantTRT}

// candidate is one way to run a model.
type candidate struct {
	provider, variant string
	// precision is set where the provider computes the fp32 file in less.
	precision string
	// lenient: the configuration leaves the choice to us, so that answers which are off lead
	// to the next candidate. Otherwise they are the end of the load.
	lenient bool
}

// candidates lists the ways to run a model, the best first: the providers the spec allows,
// each with the variants that the spec names or that suit the provider.
func candidates(spec models.Spec, m *Manifest, p processor) ([]candidate, error) {
	var list []candidate
	var problems []error
	auto := spec.Runtime.Provider == "" || spec.Runtime.Provider == ProviderAuto
	for _, provider := range providers(spec.Runtime) {
		if auto && provider == ProviderOpenVINO && m.derived != nil {
			continue // nothing tells whether its answers are right
		}
		wanted := spec.Variant
		if OnGPU(provider) && spec.GPUVariant != "" {
			wanted = spec.GPUVariant
		}
		some, err := onProvider(provider, wanted, m, p)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for i := range some {
			some[i].lenient = auto || i < len(some)-1
		}
		list = append(list, some...)
	}
	if len(list) == 0 {
		return nil, problems[len(problems)-1] // of the provider that was the last resort
	}
	list[len(list)-1].lenient = false
	return list, nil
}

// providers lists the execution providers to try. More than one only for auto, and where the
// spec lets the CPU serve instead of what it names. TensorRT builds engines for minutes, so it
// must be asked for.
func providers(r models.RuntimeSpec) []string {
	switch {
	case r.Provider == "" || r.Provider == ProviderAuto:
		return []string{ProviderCUDA, ProviderOpenVINO, ProviderCPU}
	case r.Fallback && r.Provider != ProviderCPU:
		return []string{r.Provider, ProviderCPU}
	default:
		return []string{r.Provider}
	}
}

// onProvider lists the ways to run a model on one provider.
func onProvider(provider, wanted string, m *Manifest, p processor) ([]candidate, error) {
	if m.derived == nil && wanted != "" && wanted != variantAuto && !slices.Contains(variantsKnown, wanted) {
		return nil, fmt.Errorf("variant %s is not known to this version, which has %s", wanted, strings.Join(variantsKnown, ", "))
	}
	if provider == ProviderOpenVINO {
		return onOpenVINO(wanted, m, p)
	}
	return onFiles(provider, wanted, m, p)
}

// onFiles lists the files that suit a provider. On a GPU those in half precision come first. On
// a CPU there is only one: int8 changes the answers (a cosine of about 0.99), and those must
// not depend on the processor that a server happens to start on, so beside fp32 int8 is for
// whoever asks.
func onFiles(provider, wanted string, m *Manifest, p processor) ([]candidate, error) {
	var order []string
	auto := wanted == "" || wanted == variantAuto
	switch {
	case provider == ProviderTensorRT && (auto || wanted == variantFP32):
		// TensorRT's parser does not know the fused operators of the other files.
		order = []string{variantTRT}
	case !auto:
		order = []string{wanted}
	case provider == ProviderCUDA:
		order = []string{variantPacked, variantFP16, variantFP32}
	case m.has(variantFP32):
		order = []string{variantFP32}
	default:
		order = []string{variantInt8}
	}
	var list []candidate
	for _, name := range order {
		if m.has(name) && (!auto || suits(name, m.Variants[name], p)) {
			list = append(list, candidate{provider: provider, variant: name})
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	missing := order[0]
	if auto && !OnGPU(provider) {
		missing = variantFP32
	}
	if m.derived != nil {
		return nil, m.missing(missing, provider)
	}
	return nil, fmt.Errorf("variant %s for provider %s is not there, only %s; make it with scripts/export_onnx.sh %s --variant %s --out DIR, where DIR is the model's folder", missing, provider, m.variantNames(), m.Source, missing)
}

func (m *Manifest) has(variant string) bool {
	_, ok := m.Variants[variant]
	return ok
}

// suits reports whether auto may take a variant. What was not checked on the real weights runs
// only where it is asked for by name; half precision is checked at every load, on the GPU that
// serves, since no exporting machine has one. Without VNNI, int8 products saturate.
func suits(name string, v Variant, p processor) bool {
	switch name {
	case variantInt8:
		return v.Passed && p.int8
	case variantPacked:
		return v.Passed
	default:
		return true
	}
}

// onOpenVINO runs the fp32 file, fused operators included, in the precision that the variant
// names; auto begins with the most exact one that the processor has matrix units for.
func onOpenVINO(wanted string, m *Manifest, p processor) ([]candidate, error) {
	if !m.has(variantFP32) {
		return nil, fmt.Errorf("provider %s runs variant %s, which is not there, only %s", ProviderOpenVINO, variantFP32, m.variantNames())
	}
	all := []candidate{
		{provider: ProviderOpenVINO, variant: variantFP16, precision: PrecisionFP16},
		{provider: ProviderOpenVINO, variant: variantBF16, precision: PrecisionBF16},
		{provider: ProviderOpenVINO, variant: variantFP32},
	}
	fast := map[string]bool{variantFP16: p.fp16, variantBF16: p.bf16, variantFP32: true}
	auto := wanted == "" || wanted == variantAuto
	list := slices.DeleteFunc(all, func(c candidate) bool {
		return !auto && c.variant != wanted || auto && !fast[c.variant]
	})
	if len(list) == 0 {
		return nil, fmt.Errorf("provider %s computes in fp32, bf16 and fp16, not in %s", ProviderOpenVINO, wanted)
	}
	return list, nil
}

// on returns the manifest as c needs it: where the provider computes in less than the file,
// the variant is the fp32 file with the tolerance of that precision.
func (m *Manifest) on(c candidate) *Manifest {
	if c.precision == "" {
		return m
	}
	v := m.Variants[variantFP32]
	v.Tolerance, v.Passed = m.tolerance(c.precision), true
	if v.Tokens != nil {
		tokens := *v.Tokens
		tokens.Tolerance = Tolerance{MinCosine: 0.999}
		v.Tokens = &tokens
	}
	adapted := *m
	adapted.Variants = maps.Clone(m.Variants)
	adapted.Variants[c.variant] = v
	return &adapted
}

// tolerance is what half precision may change: the exporter's bounds for fp16, and for bf16,
// whose mantissa is three bits shorter, the same for embeddings and eight times as much for
// logits.
func (m *Manifest) tolerance(precision string) Tolerance {
	if m.Task == models.TaskEmbed {
		return Tolerance{MinCosine: 0.999}
	}
	lowest, highest := m.Reference[0].Output[0], m.Reference[0].Output[0]
	for _, r := range m.Reference {
		lowest, highest = min(lowest, slices.Min(r.Output)), max(highest, slices.Max(r.Output))
	}
	bound := max(0.02, 0.005*float64(highest-lowest))
	if precision == PrecisionBF16 {
		bound *= 8
	}
	return Tolerance{MaxAbs: bound}
}

// longestReference is the length of the longest reference input in tokens.
func (m *Manifest) longestReference() int {
	longest := 0
	for _, r := range m.Reference {
		longest = max(longest, len(r.IDs))
	}
	return longest
}

// sessionConfig is that of one session on a device, which shares the processor with others.
func sessionConfig(spec models.Spec, m *Manifest, c candidate, device, sessions int) SessionConfig {
	g := m.graphOf(c.variant)
	cfg := SessionConfig{
		File:        inDir(spec, m.Variants[c.variant].File),
		Inputs:      g.inputs,
		Int32:       g.int32s,
		Output:      g.output.name,
		Width:       g.output.width,
		States:      g.pooling != nil,
		Half:        g.output.half,
		Provider:    c.provider,
		Device:      device,
		Precision:   c.precision,
		Threads:     spec.Runtime.Threads,
		GPUMemLimit: spec.Runtime.GPUMemLimit,
		PadID:       m.PadID,
		EngineCache: spec.Runtime.TensorRTCache,
	}
	if cfg.Threads <= 0 {
		cfg.Threads = max(threads(c.provider)/sessions, 1)
	}
	return cfg
}

// inDir is the path of a file in the model's folder.
func inDir(spec models.Spec, file string) string { return filepath.Join(spec.Path, file) }

// threads is 1 beside a GPU, which does the work, and all that suit this process on a CPU.
func threads(provider string) int {
	if OnGPU(provider) {
		return 1
	}
	return Threads(0)
}

// One of these is wrapped by the error of a session that did not pass the load check.
var (
	errAnswers = errors.New("refused, because its answers are not those of the weights")
	errCompany = errors.New("refused, because its answers cannot be right")
)
