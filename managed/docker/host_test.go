package docker

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewFindsTheEngine(t *testing.T) {
	for what, c := range map[string]struct {
		host    string
		environ []string
		want    string
		says    []string
	}{
		"the usual":           {want: "unix:///var/run/docker.sock"},
		"DOCKER_HOST":         {environ: []string{"DOCKER_HOST=tcp://proxy:2375"}, want: "tcp://proxy:2375"},
		"the setting first":   {host: "unix:///run/x.sock", environ: []string{"DOCKER_HOST=tcp://proxy:2375"}, want: "unix:///run/x.sock"},
		"no scheme":           {host: "/run/x.sock", says: []string{"containers.host", `"/run/x.sock"`, "unix:///path"}},
		"ssh":                 {environ: []string{"DOCKER_HOST=ssh://me@there"}, says: []string{"DOCKER_HOST", "ssh://me@there"}},
		"credentials":         {environ: []string{"DOCKER_HOST=tcp://me:secret@there:2375"}, says: []string{"DOCKER_HOST has credentials in it"}},
		"a name":              {environ: []string{"DOCKER_HOST=tcp://secret@there:2375"}, says: []string{"DOCKER_HOST has credentials in it"}},
		"no port":             {host: "tcp://there", says: []string{"containers.host", "tcp://there"}},
		"relative":            {host: "unix://run/x.sock", says: []string{"containers.host"}},
		"version":             {environ: []string{"DOCKER_API_VERSION=new"}, says: []string{"DOCKER_API_VERSION", `"new"`}},
		"where are the keys":  {host: "tcp://there:2376", environ: []string{"DOCKER_TLS_VERIFY=1"}, says: []string{"DOCKER_CERT_PATH"}},
		"no keys":             {host: "tcp://there:2376", environ: []string{"DOCKER_CERT_PATH=/no/such"}, says: []string{"DOCKER_CERT_PATH", "/no/such/ca.pem"}},
		"a socket needs none": {environ: []string{"DOCKER_TLS_VERIFY=1"}, want: "unix:///var/run/docker.sock"},
	} {
		t.Run(what, func(t *testing.T) {
			e, err := New(Options{Host: c.host, Environ: c.environ})
			if c.want != "" {
				require.NoError(t, err)
				require.Equal(t, c.want, e.host)
				require.Equal(t, c.want, e.api.DaemonHost())
				return
			}
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "file"), filepath.Join(dir, "socket")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	for what, c := range map[string]struct {
		environ []string
		host    string
		says    []string
	}{
		"a socket":           {host: "unix://" + socket},
		"by the environment": {environ: []string{"DOCKER_HOST=unix://" + socket}},
		"TCP without answer": {host: "tcp://127.0.0.1:1"},
		"Kubernetes":         {environ: []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, host: "unix://" + socket, says: []string{"Kubernetes", "workload of its own", "urls"}},
		"no socket":          {host: "unix://" + dir + "/none", says: []string{dir + "/none", "containers.host", "DOCKER_HOST"}},
		"a file":             {host: "unix://" + file, says: []string{file, "no socket"}},
		"in a file":          {host: "unix://" + file + "/x", says: []string{file + "/x", "containers.host"}},
		"no address":         {host: "docker", says: []string{"containers.host"}},
	} {
		t.Run(what, func(t *testing.T) {
			err := Refused(c.environ, c.host)
			if len(c.says) == 0 {
				require.NoError(t, err)
			}
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestRefusedWithoutPermission(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	require.NoError(t, os.Chmod(socket, 0))
	refused := make(chan error)
	asNobody(t, func() { refused <- Refused(nil, "unix://"+socket) })
	err = <-refused
	require.ErrorContains(t, err, socket)
	require.ErrorContains(t, err, "group")
	require.ErrorContains(t, err, "docker")
	require.ErrorContains(t, err, "containers.host")
}
