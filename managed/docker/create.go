package docker

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

const (
	mib    = 1 << 20
	bridge = "bridge" // the network that is always there, without names
)

// loopback is where ports are published.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// creation is what is sent to make a container of s in a network; empty: its port is published.
func (e *Engine) creation(s managed.Spec, in string) (client.ContainerCreateOptions, error) {
	port, ok := network.PortFrom(uint16(s.ContainerPort), network.TCP)
	if !ok || s.ContainerPort < 1 || s.ContainerPort > 65535 {
		return client.ContainerCreateOptions{}, fmt.Errorf("container_port is %d: 1 to 65535", s.ContainerPort)
	}
	yes := true
	host := &container.HostConfig{
		Binds: s.Volumes,
		// json-file is there whatever the engine's default, and can be read again.
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}},
		NetworkMode:   container.NetworkMode(in),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		SecurityOpt:   []string{"no-new-privileges:true"},
		ShmSize:       int64(s.ShmMB) * mib,
		Init:          &yes,
		Resources: container.Resources{
			Memory: int64(s.MemoryMB) * mib, MemorySwap: int64(s.MemoryMB) * mib,
			DeviceRequests: devices(s.GPUs),
		},
	}
	if in == "" {
		hostPort := "" // the engine picks one
		if s.HostPort > 0 {
			hostPort = strconv.Itoa(s.HostPort)
		}
		host.PortBindings = network.PortMap{port: {{HostIP: loopback, HostPort: hostPort}}}
	}
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image: s.Image, Cmd: s.Command, Env: s.Env,
			ExposedPorts: network.PortSet{port: {}},
			Labels: map[string]string{
				labelInstance: e.instance, labelUpstream: s.ID, labelModel: s.Model, labelConfig: s.Hash(),
				labelVersion: e.version, labelPort: strconv.Itoa(s.ContainerPort),
			},
		},
		HostConfig: host,
	}, nil
}

// devices asks for GPUs. The engine refuses both a count and names.
func devices(gpus []string) []container.DeviceRequest {
	if len(gpus) == 0 {
		return nil
	}
	r := container.DeviceRequest{Driver: "nvidia", Capabilities: [][]string{{"gpu"}}}
	if len(gpus) == 1 && gpus[0] == managed.AllGPUs {
		r.Count = -1
	} else {
		r.DeviceIDs = gpus
	}
	return []container.DeviceRequest{r}
}
