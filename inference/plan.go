package inference

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

const variantAuto = "auto"

// variantsKnown are those that scripts/export_onnx.sh makes.
var variantsKnown = []string{"fp32", "fp16", "int8"}

// candidate is one way to run a model.
type candidate struct {
	provider, variant string
}

// candidates lists the ways to run a model, the best first: the providers the spec allows,
// each with the variant that the spec names or that suits the provider.
func candidates(spec models.Spec, m *Manifest) ([]candidate, error) {
	var list []candidate
	var problems []error
	for _, provider := range providers(spec.Runtime) {
		if provider != ProviderCPU && provider != ProviderCUDA {
			problems = append(problems, fmt.Errorf("%w: %q; this program has %s and %s", ErrProvider, provider, ProviderCPU, ProviderCUDA))
			continue
		}
		wanted := spec.Variant
		if provider != ProviderCPU && spec.GPUVariant != "" {
			wanted = spec.GPUVariant
		}
		variant, err := chooseVariant(wanted, provider, m)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		list = append(list, candidate{provider, variant})
	}
	if len(list) == 0 {
		return nil, problems[len(problems)-1] // of the provider that was the last resort
	}
	return list, nil
}

// providers lists the execution providers to try. More than one only for auto, and where the
// spec lets the CPU serve instead of what it names.
func providers(r models.RuntimeSpec) []string {
	switch {
	case r.Provider == "" || r.Provider == ProviderAuto:
		return []string{ProviderCUDA, ProviderCPU}
	case r.Fallback && r.Provider != ProviderCPU:
		return []string{r.Provider, ProviderCPU}
	default:
		return []string{r.Provider}
	}
}

// chooseVariant prefers fp16 on a GPU and fp32 on a CPU, where fp16 has no kernels.
func chooseVariant(wanted, provider string, m *Manifest) (string, error) {
	order, auto := []string{wanted}, wanted == "" || wanted == variantAuto
	if auto {
		order = []string{"fp32", "int8"}
		if provider == ProviderCUDA {
			order = []string{"fp16", "fp32"}
		}
	}
	for _, name := range order {
		v, ok := m.Variants[name]
		// What was not checked on the real weights runs only where it is asked for by name.
		if ok && (v.Passed || !auto || name != "int8") {
			return name, nil
		}
	}
	if m.derived != nil {
		return "", m.missing(order[0], provider)
	}
	if !slices.Contains(variantsKnown, order[0]) {
		return "", fmt.Errorf("variant %s is not known to this version, which has %s", order[0], strings.Join(variantsKnown, ", "))
	}
	return "", fmt.Errorf("variant %s for provider %s is not there, only %s; make it with scripts/export_onnx.sh %s --variant %s --out DIR, where DIR is the model's folder", order[0], provider, m.variantNames(), m.Source, order[0])
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
		Threads:     spec.Runtime.Threads,
		GPUMemLimit: spec.Runtime.GPUMemLimit,
	}
	if cfg.Threads <= 0 {
		cfg.Threads = max(threads(c.provider)/sessions, 1)
	}
	return cfg
}

// inDir is the path of a file in the model's folder.
func inDir(spec models.Spec, file string) string { return filepath.Join(spec.Path, file) }

// threads is 1 beside an accelerator, which does the work, and all that this process may use
// on a CPU; since Go 1.25 GOMAXPROCS honours a container's CPU limit.
func threads(provider string) int {
	if provider != ProviderCPU {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}
