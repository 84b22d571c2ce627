package api

import (
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// containerObject is what everybody sees of the container that a model runs in.
type containerObject struct {
	State    string `json:"state"`
	InFlight int    `json:"in_flight"`
	Waiting  int    `json:"waiting"`
	// StartedAt and StartSeconds are of the last start; null: there was none.
	StartedAt    *time.Time `json:"started_at"`
	StartSeconds *float64   `json:"start_seconds"`
	// MemoryMB is 0 where it counts nothing in the budgets, MemoryUsed absent where it is not known.
	MemoryMB   int   `json:"memory_mb"`
	MemoryUsed int64 `json:"memory_used_bytes,omitempty"`
}

// adminContainer is what admins see of it.
type adminContainer struct {
	containerObject
	Name        string     `json:"name,omitempty"`
	Image       string     `json:"image"`
	Group       string     `json:"group,omitempty"`
	Priority    int        `json:"priority"`
	Pinned      bool       `json:"pinned"`
	GPUMemoryMB int        `json:"gpu_memory_mb"`
	LastUsedAt  *time.Time `json:"last_used_at"`
	Starts      int        `json:"starts"`
	Crashes     int        `json:"crashes"`
	Progress    string     `json:"progress,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	RetryAt     *time.Time `json:"retry_at"`
}

func describeContainer(c *models.Container) *containerObject {
	if c == nil {
		return nil
	}
	o := &containerObject{State: c.State, InFlight: c.InFlight, Waiting: c.Waiting, StartedAt: moment(c.Started), MemoryMB: c.MemoryMB, MemoryUsed: c.MemoryUsed}
	if o.StartedAt != nil {
		took := c.StartTook.Round(time.Millisecond).Seconds()
		o.StartSeconds = &took
	}
	return o
}

func describeContainerForAdmin(c *models.Container) *adminContainer {
	if c == nil {
		return nil
	}
	return &adminContainer{
		containerObject: *describeContainer(c),
		Name:            c.Name, Image: c.Image, Group: c.Group, Priority: c.Priority, Pinned: c.Pinned, GPUMemoryMB: c.GPUMemoryMB,
		LastUsedAt: moment(c.LastUsed), Starts: c.Starts, Crashes: c.Crashes,
		Progress: c.Progress, Reason: c.Reason, RetryAt: moment(c.RetryAt),
	}
}

// moment is a time for JSON: null where it is not known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
