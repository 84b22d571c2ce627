package inference

import (
	"io/fs"
	"os"
	"path"
)

// sysCPU is where Linux describes its CPUs.
var sysCPU = os.DirFS("/sys/devices/system/cpu")

// physicalCores counts the machine's cores: CPUs that name the same siblings are hyperthreads
// of one. It is 0 where the system does not tell.
func physicalCores(sys fs.FS) int {
	files, err := fs.Glob(sys, "cpu[0-9]*/topology/thread_siblings_list")
	if err != nil {
		return 0
	}
	cores := map[string]bool{}
	for _, file := range files {
		siblings, err := fs.ReadFile(sys, path.Clean(file))
		if err != nil {
			return 0
		}
		cores[string(siblings)] = true
	}
	return len(cores)
}
