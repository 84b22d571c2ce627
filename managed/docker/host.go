package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// address is where an engine is, and which setting says so.
type address struct {
	host, scheme, target string
	setting              string
}

// environment reads one variable of environ; the last one counts, and one that is not there is empty.
func environment(environ []string) func(string) string {
	return func(name string) string {
		value := ""
		for _, item := range environ {
			if v, ok := strings.CutPrefix(item, name+"="); ok {
				value = v
			}
		}
		return value
	}
}

func locate(host string, env func(string) string) (address, error) {
	at := address{host: host, setting: "containers.host"}
	if at.host == "" {
		at.host, at.setting = env("DOCKER_HOST"), "DOCKER_HOST"
	}
	if at.host == "" {
		at.host, at.setting = client.DefaultDockerHost, "containers.host and DOCKER_HOST are not set, the usual place is"
	}
	scheme, target, _ := strings.Cut(at.host, "://")
	at.scheme, at.target = scheme, target
	ok := false
	switch scheme {
	case "tcp":
		if strings.Contains(target, "@") {
			return address{}, fmt.Errorf("%s has credentials in it, which an engine does not take: tcp://host:port", at.setting)
		}
		name, port, err := net.SplitHostPort(strings.TrimSuffix(target, "/"))
		ok = err == nil && name != "" && port != ""
	case "unix":
		ok = filepath.IsAbs(target)
	}
	if !ok {
		return address{}, fmt.Errorf("%s: %q is no engine's address: unix:///path or tcp://host:port", at.setting, at.host)
	}
	return at, nil
}

// certificates has TCP encrypted when the environment says so. Both sides are always verified.
func certificates(at address, env func(string) string) (client.Opt, error) {
	dir := env("DOCKER_CERT_PATH")
	switch {
	case at.scheme != "tcp" || dir == "" && env("DOCKER_TLS_VERIFY") == "":
		return nil, nil
	case dir == "":
		return nil, errors.New("DOCKER_TLS_VERIFY is set, but DOCKER_CERT_PATH is not: the directory of ca.pem, cert.pem and key.pem")
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if _, err := os.Stat(in(name)); err != nil {
			return nil, fmt.Errorf("DOCKER_CERT_PATH: %w", err)
		}
	}
	return client.WithTLSClientConfig(in("ca.pem"), in("cert.pem"), in("key.pem")), nil
}

// Refused says why no container can be run here for as long as this process lives; nil: they can.
// An engine that does not answer now, as it may later, is no reason.
func Refused(environ []string, host string) error {
	env := environment(environ)
	if env("KUBERNETES_SERVICE_HOST") != "" {
		return errors.New("managed containers do not run in Kubernetes: run the model server as a workload of its own, " +
			"and name its Service in the upstream's urls instead of managed.image")
	}
	at, err := locate(host, env)
	if err != nil {
		return err
	}
	if at.scheme != "unix" {
		return nil
	}
	return unusable(at.target)
}

// unusable says why a socket cannot be used.
func unusable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no container engine: there is no socket %s: start Docker, mount its socket here, "+
			"or say with containers.host or DOCKER_HOST where it is", path)
	case errors.Is(err, fs.ErrPermission):
		return denied(path)
	case err != nil:
		return fmt.Errorf("no container engine: %w (containers.host, DOCKER_HOST)", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("no container engine: %s is no socket (containers.host, DOCKER_HOST)", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrPermission) {
		return denied(path)
	}
	if err == nil {
		_ = c.Close()
	}
	return nil
}

func denied(path string) error {
	return fmt.Errorf("no container engine: this process may not open %s: let its user be in the group that owns it, "+
		"usually docker, or say with containers.host or DOCKER_HOST where another is", path)
}
