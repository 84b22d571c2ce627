package docker

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

// Inspect returns a container as it is now.
func (e *Engine) Inspect(ctx context.Context, id string) (managed.Container, error) {
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	own, err := e.ownID(ctx)
	if err != nil {
		return managed.Container{}, err
	}
	c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return managed.Container{}, e.failedOn(ctx, "inspect a container", err)
	}
	return described(c.Container, own != ""), nil
}

// List returns this instance's containers, running or not.
func (e *Engine) List(ctx context.Context) ([]managed.Container, error) {
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	found, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: e.ours()})
	if err != nil {
		return nil, e.failed(ctx, "list containers", err)
	}
	all := make([]managed.Container, 0, len(found.Items))
	for _, item := range found.Items {
		c, err := e.Inspect(ctx, item.ID) // a list tells no exit code, nor all of the networks
		if errors.Is(err, managed.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// ours are the filters for this instance's containers.
func (e *Engine) ours() client.Filters {
	return client.Filters{}.Add("label", labelInstance+"="+e.instance)
}

// described is a container as the engine tells of it. byName: names in its networks can be resolved.
func described(c container.InspectResponse, byName bool) managed.Container {
	d := managed.Container{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/")}
	labels := map[string]string{}
	if c.Config != nil {
		labels = c.Config.Labels
	}
	d.Spec, d.Hash = labels[labelUpstream], labels[labelConfig]
	if c.State == nil {
		return d
	}
	d.Running, d.OOM = c.State.Running, c.State.OOMKilled
	if !d.Running {
		d.ExitCode = c.State.ExitCode
		return d
	}
	d.Address = reached(c, d.Name, labels[labelPort], byName)
	return d
}

// reached is host:port of the server in a running container; empty: it cannot be reached.
func reached(c container.InspectResponse, name, port string, byName bool) string {
	if c.NetworkSettings == nil || c.HostConfig == nil || port == "" {
		return ""
	}
	if inside, err := network.ParsePort(port + "/tcp"); err == nil {
		for _, b := range c.NetworkSettings.Ports[inside] {
			if _, err := strconv.ParseUint(b.HostPort, 10, 16); err == nil {
				return net.JoinHostPort(loopback.String(), b.HostPort)
			}
		}
	}
	mode := c.HostConfig.NetworkMode
	if mode.IsHost() {
		return net.JoinHostPort(loopback.String(), port)
	}
	if byName && mode.IsUserDefined() {
		return net.JoinHostPort(name, port)
	}
	for _, at := range c.NetworkSettings.Networks { // it was put in one
		if at != nil && at.IPAddress.IsValid() {
			return net.JoinHostPort(at.IPAddress.String(), port)
		}
	}
	return ""
}
