package docker

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ownMount is what Docker mounts into each of its containers.
var ownMount = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) `)

// ownContainer returns the ID, or its beginning, of the container that this process runs in; empty:
// in none.
func ownContainer() string {
	if _, err := os.Stat("/.dockerenv"); err != nil {
		return ""
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		if m := ownMount.FindSubmatch(mounts); m != nil {
			return string(m[1])
		}
	}
	name, err := os.Hostname() // by default it is the first 12 digits
	if err != nil {
		return ""
	}
	return name
}

// ownID is the container of this engine that this server runs in; empty: it runs in none. The
// answer does not change, so the engine is asked once.
func (e *Engine) ownID(ctx context.Context) (string, error) {
	e.mu.Lock()
	known := e.self
	e.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	id := ""
	if own := e.own(); own != "" {
		c, err := e.api.ContainerInspect(ctx, own, client.ContainerInspectOptions{})
		if err != nil && !errdefs.IsNotFound(err) { // another engine's, where one runs in a container
			return "", e.failed(ctx, "find this server's own container", err)
		}
		id = c.Container.ID
	}
	e.mu.Lock()
	e.self = &id
	e.mu.Unlock()
	return id, nil
}

// neighbourhood is the network in which this server reaches containers; empty: none, their ports
// have to be published.
func (e *Engine) neighbourhood(ctx context.Context) (string, error) {
	id, err := e.ownID(ctx)
	switch {
	case err != nil:
		return "", err
	case id == "" && e.remote && e.own() != "":
		return "", fmt.Errorf("this server runs in a container that the engine at %s does not know: "+
			"say in upstreams[].managed.network in which network it reaches others", e.host)
	case id == "":
		return "", nil
	}
	c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", e.failed(ctx, "inspect this server's own container", err)
	}
	return joined(c.Container), nil
}

// joined is the first user-defined network of a container, else the default bridge; empty: it has
// the host's.
func joined(c container.InspectResponse) string {
	if c.HostConfig != nil && c.HostConfig.NetworkMode.IsHost() {
		return ""
	}
	var names []string
	if c.NetworkSettings != nil {
		for name := range c.NetworkSettings.Networks {
			if container.NetworkMode(name).IsUserDefined() {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return bridge
	}
	return slices.Min(names)
}
