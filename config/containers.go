package config

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

const (
	containersPath = "routing.containers"
	instancePath   = containersPath + ".instance"
	// maxInstance bounds containers.instance: it is part of containers' names.
	maxInstance = 40
	// dockerSocket is where the engine listens unless it is told otherwise.
	dockerSocket = "/var/run/docker.sock"
)

// engineName is what the engine takes for the name of a volume, a network or a container.
var engineName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// device is a GPU's number, or NVIDIA's UUID of it or of a part of it.
var device = regexp.MustCompile(`^([0-9]+(:[0-9]+)?|(GPU|MIG)-[a-zA-Z0-9/-]+)$`)

// imageName is what the names of images are made of.
var imageName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*$`)

// checkContainers checks containers, and the managed upstreams against each other.
func (l *loader) checkContainers(cfg *Config) {
	c := cfg.Routing.Containers
	if err := checkEngine(c.Host); err != nil && c.Host != "" {
		l.report(containersPath+".host", "%v", err)
	}
	if at := containersPath + ".instance"; c.Instance != "" && !engineName.MatchString(c.Instance) {
		l.report(at, "%q is not a name that containers can have: letters, digits and _ . - make one, and a letter or digit begins it", c.Instance)
	} else if len(c.Instance) > maxInstance {
		l.report(at, "has %d bytes; at most %d are allowed", len(c.Instance), maxInstance)
	}
	l.checkBudgets(c)
	all := l.sound(cfg.Routing)
	if len(all) > 0 && c.Instance == "" && cfg.Server.Port == 0 && l.readable[""] && !l.reported("server.port") {
		l.report(instancePath, "is missing, and server.port is 0, so that this server's containers cannot be told from those of others; write a name of your own")
	}
	l.checkRoutesToContainers(cfg.Routing)
	l.checkUnits(cfg.Routing, all)
	used := slices.DeleteFunc(all, func(c unit) bool { return c.unused })
	l.checkRoom(cfg.Routing, used)
	l.checkGroups(cfg.Routing, used)
	l.checkHostPorts(cfg.Routing, used)
}

// sound are the containers of upstreams of which nothing is wrong so far.
func (l *loader) sound(r Routing) []unit {
	return slices.DeleteFunc(units(r), func(c unit) bool {
		at := upstreamPath(c.upstream)
		return !l.whole(at) || l.reported(at+".managed") || l.reported(at+".type") || l.reported(at+".name")
	})
}

// checkEngine wants the address of a container engine.
func checkEngine(text string) error {
	u, err := url.Parse(text)
	const examples = "such as unix:///var/run/docker.sock or tcp://10.0.0.1:2375"
	switch {
	case strings.Contains(text, "@"):
		return fmt.Errorf("has credentials in it; write an address, %s", examples)
	case err != nil || u.Scheme == "":
		return fmt.Errorf("%q is not the address of a container engine, %s", text, examples)
	case u.Scheme == "npipe":
		return fmt.Errorf("%q is a pipe of Windows, which is not supported; write an address %s", text, examples)
	case u.Scheme != "unix" && u.Scheme != "tcp":
		return fmt.Errorf("%q begins with %s://, and only unix:// and tcp:// are supported, %s", text, u.Scheme, examples)
	case u.Scheme == "unix" && (u.Host != "" || !path.IsAbs(u.Path)):
		return fmt.Errorf("%q has no absolute path: three slashes belong before it, as in unix:///var/run/docker.sock", text)
	case u.Scheme == "tcp" && (u.Hostname() == "" || u.Port() == ""):
		return fmt.Errorf("%q has no host or no port, as in tcp://10.0.0.1:2375", text)
	case u.Scheme == "tcp" && strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("%q has something behind the address", text)
	}
	return nil
}

func (l *loader) checkBudgets(c Containers) {
	ids := make([]string, len(c.GPUs))
	at := func(i int) string { return fmt.Sprintf("%s.gpus[%d].id", containersPath, i) }
	for i, g := range c.GPUs {
		if ids[i] = g.ID; g.ID == noGPUs || g.ID == allGPUs || g.ID != "" && !device.MatchString(g.ID) {
			l.report(at(i), "%q is not a GPU's number or UUID, such as 0; each GPU has an entry of its own", g.ID)
		}
	}
	repeated(ids, func(i int) {
		if ids[i] != "" {
			l.report(at(i), "%q is there twice", ids[i])
		}
	})
}

// checkManaged checks an upstream's container by itself.
func (l *loader) checkManaged(u Upstream, at string) {
	m, in := u.Managed, at+".managed"
	if !m.On() {
		if keys := l.written(in); len(keys) > 0 && !l.reported(in) {
			l.report(in, "has %s but no image; write the image of the container, or leave managed out for a server at urls", strings.Join(keys, ", "))
		}
		return
	}
	switch {
	case u.Type == "ollama":
		l.report(in, "is not for type ollama, which is always remote; name its server in urls")
		return
	case len(u.URLs) > 0:
		l.report(in, "is for a server in a container, and urls for one that runs elsewhere; write one of the two")
	}
	if u.CAFile != "" || u.ClientCert != "" || u.ClientKey != "" {
		l.report(at, "has ca_file, client_cert or client_key, which are for https; a container is asked by http")
	}
	l.checkImage(m, u.Type, in)
	l.checkName(m.Model, in+".model")
	if wildcard.Is(m.Model) {
		l.report(in+".model", "%q has a *; a container serves one model", m.Model)
	}
	l.checkEnv(m.Env, in)
	l.checkGPUs(m, in+".gpus")
	if m.GPUMemoryMB > 0 && m.GPUs == noGPUs {
		l.report(in+".gpu_memory_mb", "is set without gpus, whose memory it is about")
	}
	l.checkVolumes(m.Volumes, in)
	l.checkNetwork(m, in)
	l.checkName(m.Group, in+".group")
}

// written are the keys below a path that the file has, in their order.
func (l *loader) written(at string) []string {
	var all []string
	for _, f := range root.leaf("routing.upstreams").sub.find("managed").sub.fields {
		if _, ok := l.settings[at+"."+f.key]; ok && f.key != "image" {
			all = append(all, f.key)
		}
	}
	return all
}

func (l *loader) checkImage(m Managed, kind, at string) {
	if !imageName.MatchString(m.Image) || strings.Contains(m.Image, "//") {
		l.report(at+".image", "%q is not an image, such as ghcr.io/huggingface/text-embeddings-inference:cpu-1.9", m.Image)
	}
	if _, known := kinds[kind]; known && m.ContainerPort == 0 && images[kind].port == 0 && !l.reported(at+".container_port") {
		l.report(at+".container_port", "is missing; where a server of type %s listens is not known beforehand", kind)
	}
	for i, arg := range m.Args {
		if strings.ContainsRune(arg, 0) {
			l.report(fmt.Sprintf("%s.args[%d]", at, i), "has a NUL character in it")
		}
	}
}

// checkEnv says nothing of values: they are secrets.
func (l *loader) checkEnv(env []EnvVar, at string) {
	names := make([]string, len(env))
	where := func(i int) string { return fmt.Sprintf("%s.env[%d]", at, i) }
	for i, v := range env {
		if names[i] = v.Name; v.Name != "" && !variableName.MatchString(v.Name) {
			l.report(where(i)+".name", "%q is not a variable's name: letters, digits and _ make one, and no digit begins it", v.Name)
		}
		if strings.ContainsRune(v.Value, 0) {
			l.report(where(i)+".value", "has a NUL character in it")
		}
	}
	repeated(names, func(i int) {
		if names[i] != "" {
			l.report(where(i)+".name", "%s is there twice", names[i])
		}
	})
}

func (l *loader) checkGPUs(m Managed, at string) {
	if m.GPUs == noGPUs || m.GPUs == allGPUs || l.reported(at) {
		return
	}
	var all []string
	for part := range strings.SplitSeq(m.GPUs, ",") {
		id := strings.TrimSpace(part)
		switch {
		case id == noGPUs || id == allGPUs:
			l.report(at, "%q has %s in a list; it stands alone", m.GPUs, id)
			return
		case !device.MatchString(id):
			l.report(at, "%q is not none, all, or numbers or UUIDs of GPUs separated by commas, such as 0 or 0,1", m.GPUs)
			return
		case slices.Contains(all, id):
			l.report(at, "%q has %s twice", m.GPUs, id)
			return
		}
		all = append(all, id)
	}
}

func (l *loader) checkVolumes(volumes []string, at string) {
	targets := make([]string, len(volumes))
	for i, text := range volumes {
		where := fmt.Sprintf("%s.volumes[%d]", at, i)
		source, target, mode := splitVolume(text)
		switch {
		case mode != "" && mode != "ro" && mode != "rw":
			l.report(where, "%q ends with %q, where only ro or rw may be", text, mode)
		case source == "" || target == "":
			l.report(where, "%q is not NAME:/path or /host/path:/path, with :ro at the end where that is wanted", text)
		case !path.IsAbs(target) || path.Clean(target) == "/":
			l.report(where, "%q is mounted at %q, which is not an absolute path below / in the container", text, target)
		case !path.IsAbs(source) && (strings.ContainsRune(source, '/') || strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~")):
			l.report(where, "%q has the relative path %q; write an absolute path of the host, or the name of a volume", text, source)
		case !path.IsAbs(source) && !engineName.MatchString(source):
			l.report(where, "%q has %q where the name of a volume belongs: letters, digits and _ . - make one, and a letter or digit begins it", text, source)
		case path.IsAbs(source) && l.holdsSocket(source):
			l.report(where, "%q gives the container the container engine's socket, and with it everything on the host, as root; it is not mounted", text)
		default:
			targets[i] = path.Clean(target)
		}
	}
	repeated(targets, func(i int) {
		if targets[i] != "" {
			l.report(fmt.Sprintf("%s.volumes[%d]", at, i), "%s is mounted twice", targets[i])
		}
	})
}

func splitVolume(text string) (source, target, mode string) {
	source, rest, _ := strings.Cut(text, ":")
	target, mode, _ = strings.Cut(rest, ":")
	return source, target, mode
}

// holdsSocket reports whether a path of the host is an engine's socket, or a folder above one.
func (l *loader) holdsSocket(source string) bool {
	sockets := []string{dockerSocket, "/run/docker.sock", "/run/podman/podman.sock", "/var/run/podman/podman.sock"}
	host, _ := l.layers.Get(containersPath + ".host").(setting)
	text, _ := host.value.(string)
	if named, ok := strings.CutPrefix(cmp.Or(text, l.env["DOCKER_HOST"].value), "unix://"); ok {
		sockets = append(sockets, path.Clean(named))
	}
	above := strings.TrimSuffix(path.Clean(source), "/") + "/"
	return slices.ContainsFunc(sockets, func(socket string) bool { return strings.HasPrefix(socket+"/", above) })
}

func (l *loader) checkNetwork(m Managed, at string) {
	switch {
	case m.Network == "":
	case slices.Contains([]string{"bridge", "host", "none", "default"}, m.Network):
		l.report(at+".network", "%q does not know containers by their names; make one with docker network create and write its name", m.Network)
	case !engineName.MatchString(m.Network):
		l.report(at+".network", "%q is not a network's name: letters, digits and _ . - make one, and a letter or digit begins it", m.Network)
	case m.HostPort != 0:
		l.report(at+".host_port", "is set with network, in which the container is reached by its name and nothing is published")
	}
}

// checkRoutesToContainers wants routes to name one model each.
func (l *loader) checkRoutesToContainers(r Routing) {
	for i, route := range r.Models {
		if !wildcard.Is(route.Name) || !l.whole(routePath(i)) {
			continue
		}
		for _, u := range r.Upstreams {
			if !u.Managed.On() || u.Name == "" {
				continue
			}
			if route.Upstream == u.Name {
				l.report(routePath(i)+".upstream", "%q is a pattern, and a container of upstream %q serves one model; write an entry for each model that it is to serve", route.Name, u.Name)
			}
			for j, name := range route.Fallback {
				if name == u.Name {
					l.report(fmt.Sprintf("%s.fallback[%d]", routePath(i), j), "%q is a pattern, and a container of upstream %q serves one model; name a model here, or write entries for the models that are to fall back to it", route.Name, u.Name)
				}
			}
		}
	}
}

// checkUnits checks what the containers serve.
func (l *loader) checkUnits(r Routing, all []unit) {
	for i, u := range r.Upstreams {
		at := upstreamPath(i)
		if !u.Managed.On() || !l.whole(at) || l.reported(at+".managed") || l.reported(at+".type") {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(all), func(c unit) bool { return c.upstream != i })
		l.checkLed(r, u, mine, at)
		for _, c := range mine {
			if u.Managed.Model == "" {
				l.checkExpanded(r, all, c, at)
			}
			l.checkServedNames(u, c, at)
			l.checkVLLM(u, c, at)
		}
	}
}

// checkLed wants somebody to start the containers, and each of them to know its model.
func (l *loader) checkLed(r Routing, u Upstream, mine []unit, at string) {
	m := u.Managed
	patterned := slices.ContainsFunc(r.Models, func(route Route) bool { return route.Leads(u.Name) })
	switch {
	case m.Model == "" && len(mine) == 0 && patterned:
		// The pattern is reported, or the model's name is missing.
	case m.Model == "" && len(mine) == 0:
		l.report(at+".managed", "has no model, and no route leads to upstream %q, so there is nothing to start: list models with upstream: %s, or write model", u.Name, u.Name)
	case m.Model != "" && len(mine) == 1 && len(mine[0].names) == 0 && !m.Pinned && !m.Preload && !patterned:
		l.report(at+".managed", "no route leads to upstream %q, so nothing would start it: list a model with upstream: %s, or write pinned or preload", u.Name, u.Name)
	case len(mine) > 1 && images[u.Type].start == nil && !own(m.Args):
		l.report(at+".managed.args", "do not say which of the %d models routed to upstream %q a container loads: write {model} where its name belongs, or model if one container serves all of them", len(mine), u.Name)
	}
}

// checkExpanded wants the name of a model's own upstream to be free.
func (l *loader) checkExpanded(r Routing, all []unit, c unit, at string) {
	if i := slices.IndexFunc(r.Upstreams, func(u Upstream) bool { return u.Name == c.name }); i >= 0 {
		l.report(at+".managed", "makes an upstream %q for the model %q, and that name is taken by %s", c.name, c.model, l.place(upstreamPath(i)+".name", at))
		return
	}
	if i := slices.IndexFunc(all, func(o unit) bool { return o.name == c.name }); all[i].upstream != c.upstream {
		l.report(at+".managed", "makes an upstream %q for the model %q, and so does %s for %q; rename one of the upstreams", c.name, c.model, l.place(upstreamPath(all[i].upstream), at), all[i].model)
	}
}

// checkServedNames wants one name for the model of a server that answers for no other.
func (l *loader) checkServedNames(u Upstream, c unit, at string) {
	if !images[u.Type].named || own(u.Managed.Args) {
		return
	}
	switch {
	case len(c.direct) > 1:
		l.report(at+".managed.model", "is one model, %q, and routes lead here for several: %s; write their upstream_model alike, or leave model out to have a container for each", c.model, strings.Join(c.direct, ", "))
	case len(c.names) > 1 && u.Type == "infinity":
		l.report(at+".managed.model", "is one model, %q, and is asked for as %s by routes and fallbacks; infinity has one name for it: write their upstream_model alike, or name the model's route in fallback", c.model, strings.Join(c.names, ", "))
	}
}

// checkVLLM wants one kind of tasks for a vLLM whose arguments are made here.
func (l *loader) checkVLLM(u Upstream, c unit, at string) {
	embeds := slices.Contains(c.tasks, models.TaskEmbed)
	scores := slices.ContainsFunc(c.tasks, func(t models.Task) bool { return t != models.TaskEmbed })
	if u.Type == "vllm" && len(u.Managed.Args) == 0 && embeds && scores {
		l.report(at+".managed", "the routes to model %q want it to embed and to rerank or classify, and a container of vLLM does one of them: take one from tasks, write rerank: cosine to rerank by its embeddings, or write args", c.model)
	}
}
