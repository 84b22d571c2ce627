package main

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// memory of this process, in bytes; 0 where the system does not say.
type memory struct {
	Resident int64 `json:"resident_bytes"`
	Peak     int64 `json:"peak_resident_bytes"`
	// GPU is what all processes use on the device: a container's process ids are not the
	// driver's, so one process's share cannot be told.
	GPU int64 `json:"gpu_bytes,omitempty"`
}

func readMemory(ctx context.Context, device int, gpu bool) memory {
	var m memory
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			m.Resident = kib << 10
		case "VmHWM:":
			m.Peak = kib << 10
		}
	}
	if gpu {
		m.GPU = gpuMemory(ctx, device)
	}
	return m
}

func gpuMemory(ctx context.Context, device int) int64 {
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", strconv.Itoa(device)).Output()
	if err != nil {
		return 0
	}
	mib, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return mib << 20
}

// fileBytes is the size of an ONNX file with the weights that lie beside it.
func fileBytes(file string) (sum int64) {
	for _, name := range []string{file, file + "_data"} {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
