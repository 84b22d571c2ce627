package docker

import (
	"context"
	"encoding/json"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Memory is what a container uses, in bytes, as docker stats shows it.
func (e *Engine) Memory(ctx context.Context, id string) (int64, error) {
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	got, err := e.api.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return 0, e.failedOn(ctx, "ask for a container's memory", err)
	}
	defer func() { _ = got.Body.Close() }()
	var stats container.StatsResponse
	if err := json.NewDecoder(got.Body).Decode(&stats); err != nil {
		return 0, e.failed(ctx, "ask for a container's memory", err)
	}
	return used(stats.MemoryStats), nil
}

// used is without the file cache that is not in use: total_inactive_file with cgroup 1,
// inactive_file with cgroup 2.
func used(m container.MemoryStats) int64 {
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if idle, ok := m.Stats[key]; ok {
			if idle < m.Usage {
				return int64(m.Usage - idle)
			}
			break
		}
	}
	return int64(m.Usage)
}
