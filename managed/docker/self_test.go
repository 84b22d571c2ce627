package docker

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
)

// selfIn is what inspection tells of this server's own container.
func selfIn(mode, networks string) http.HandlerFunc {
	return sends(`{"Id": "self0", "HostConfig": {"NetworkMode": "` + mode + `"}, "NetworkSettings": {"Networks": {` + networks + `}}}`)
}

func TestContainersJoinTheServersOwnNetwork(t *testing.T) {
	const started = `{"Id": "c1", "Name": "/quadrate-up", "State": {"Running": true}, "Config": {"Labels": {"io.quadrate.port": "80"}},`
	for what, c := range map[string]struct {
		self      http.HandlerFunc
		inspect   string
		mode      string
		address   string
		published bool
	}{
		"user-defined": {
			self:    selfIn("compose_default", `"compose_default": {}, "bridge": {}, "another": {}`),
			inspect: started + `"HostConfig": {"NetworkMode": "another"}, "NetworkSettings": {"Networks": {"another": {"IPAddress": "10.0.0.2"}}}}`,
			mode:    "another", address: "quadrate-up:80",
		},
		"default bridge": {
			self:    selfIn("default", `"bridge": {}`),
			inspect: started + `"HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.3"}}}}`,
			mode:    "bridge", address: "172.17.0.3:80",
		},
		"the host's": {
			self:    selfIn("host", `"host": {}`),
			inspect: started + `"HostConfig": {"NetworkMode": "default"}, "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}]}}}`,
			address: "127.0.0.1:32768", published: true,
		},
	} {
		t.Run(what, func(t *testing.T) {
			answers := startable("x")
			answers["GET /containers/self0/json"] = c.self
			answers["GET /containers/c1/json"] = sends(c.inspect)
			e, f := newFake(t, answers)
			e.own = func() string { return "self0" }
			got, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
			require.NoError(t, err)
			require.Equal(t, c.address, got.Address)
			body := said(t, f.made("POST /containers/create")[0].body)
			if c.mode != "" {
				require.Contains(t, body, `"NetworkMode":"`+c.mode+`"`)
			}
			if c.published {
				require.Contains(t, body, `"PortBindings"`)
			} else {
				require.NotContains(t, body, `"PortBindings"`)
			}
		})
	}
}

func TestAnUnknownOwnContainerNeedsANetwork(t *testing.T) {
	e, _ := newFake(t, startable("x"))
	e.own = func() string { return "elsewhere" }
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.ErrorContains(t, err, "upstreams[].managed.network")

	e.remote = false // an engine behind a socket runs where this server does
	_, err = e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.NoError(t, err)
}

func TestOwnContainerIsFoundInTheMounts(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	line := "612 590 8:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw,relatime - ext4 /dev/root rw\n"
	require.Equal(t, id, ownMount.FindStringSubmatch(line)[1])
	require.Nil(t, ownMount.FindStringSubmatch("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n"))
}

func TestAddressOfARunningContainer(t *testing.T) {
	for what, c := range map[string]struct{ inspect, want string }{
		"not published yet": {`"HostConfig": {"NetworkMode": "default"}, "NetworkSettings": {"Ports": {"80/tcp": null}, "Networks": {"bridge": {}}}`, ""},
		"the host's":        {`"HostConfig": {"NetworkMode": "host"}, "NetworkSettings": {}`, "127.0.0.1:80"},
		"by IP, as names are not known here": {
			`"HostConfig": {"NetworkMode": "models"}, "NetworkSettings": {"Networks": {"models": {"IPAddress": "10.1.2.3"}}}`, "10.1.2.3:80",
		},
		"nothing is known": {`"HostConfig": {"NetworkMode": "default"}`, ""},
	} {
		t.Run(what, func(t *testing.T) {
			e, _ := newFake(t, map[string]http.HandlerFunc{
				"GET /containers/c1/json": sends(`{"Id": "c1", "State": {"Running": true}, "Config": {"Labels": {"io.quadrate.port": "80"}}, ` + c.inspect + `}`),
			})
			got, err := e.Inspect(context.Background(), "c1")
			require.NoError(t, err)
			require.Equal(t, c.want, got.Address)
		})
	}
}
