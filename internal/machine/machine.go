// Package machine says what this process runs on, as benchmarks and health checks show it. It
// decides nothing by it.
package machine

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// Info is this process's machine.
type Info struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// Cores are those that this process may use, a container's limit included.
	Cores int `json:"cores"`
	// InstructionSet names the extensions that decide how fast a model runs, such as
	// avx512_vnni. It is never null.
	InstructionSet []string `json:"instruction_set"`
}

// This returns what is known of this process's machine.
func This() Info {
	return Info{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), InstructionSet: instructionSet()}
}

func instructionSet() []string {
	has := []struct {
		name string
		is   bool
	}{
		{"avx2", cpu.X86.HasAVX2}, {"avx512f", cpu.X86.HasAVX512F},
		{"avx512_vnni", cpu.X86.HasAVX512VNNI}, {"avx_vnni", cpu.X86.HasAVXVNNI},
		{"avx512_bf16", cpu.X86.HasAVX512BF16}, {"amx_int8", cpu.X86.HasAMXInt8},
		{"amx_bf16", cpu.X86.HasAMXBF16},
		{"asimd", cpu.ARM64.HasASIMD}, {"asimddp", cpu.ARM64.HasASIMDDP}, {"sve", cpu.ARM64.HasSVE},
	}
	set := []string{}
	for _, h := range has {
		if h.is {
			set = append(set, h.name)
		}
	}
	return set
}
