package config

import (
	"slices"
	"strconv"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// unit is one container: a managed upstream with its model, or one of the models that are routed
// to an upstream without.
type unit struct {
	// upstream is its index, name what the upstream is called in the end.
	upstream    int
	name, model string
	// names are the upstream_models of what leads to it: routes, and fallbacks of others.
	names []string
	// direct are the names of the routes alone.
	direct []string
	tasks  []models.Task
	// unused: routes lead to it, and none of them is enabled.
	unused bool
}

// units are the containers of all managed upstreams, in their order.
func units(r Routing) []unit {
	var all []unit
	for i, u := range r.Upstreams {
		switch {
		case !u.Managed.On():
		case u.Managed.Model == "":
			all = append(all, expansion(r, i)...)
		default:
			one := unit{upstream: i, name: u.Name, model: u.Managed.Model}
			one.gather(r, u.Name, func(Route) bool { return true })
			all = append(all, one)
		}
	}
	return all
}

// expansion are the containers of an upstream without a model, one for each that leads there.
func expansion(r Routing, i int) []unit {
	u := r.Upstreams[i]
	var all []unit
	for _, route := range r.Models {
		model := route.UpstreamModel
		known := slices.ContainsFunc(all, func(c unit) bool { return c.model == model })
		if wildcard.Is(route.Name) || model == "" || known || !route.Leads(u.Name) {
			continue
		}
		one := unit{upstream: i, name: expanded(u.Name, model), model: model}
		one.gather(r, u.Name, func(route Route) bool { return route.UpstreamModel == model })
		all = append(all, one)
	}
	return all
}

// expanded is the name of the upstream that runs one of the models of an upstream without a model.
func expanded(upstream, model string) string { return upstream + "/" + model }

// gather collects what leads to an upstream: enabled routes, or others where there are none.
func (c *unit) gather(r Routing, upstream string, fits func(Route) bool) {
	c.collect(r, upstream, func(route Route) bool { return fits(route) && r.Usable(route) })
	if len(c.names) == 0 {
		c.collect(r, upstream, fits)
		c.unused = len(c.names) > 0
	}
}

// collect takes names and tasks of the routes that fit. What routes to the upstream are for counts;
// where there are none, what those are for that fall back to it.
func (c *unit) collect(r Routing, upstream string, fits func(Route) bool) {
	var asked, second []models.Task
	for _, route := range r.Models {
		if wildcard.Is(route.Name) || !route.Leads(upstream) || !fits(route) {
			continue
		}
		c.names = appendNew(c.names, route.UpstreamModel)
		if route.Upstream != upstream {
			second = appendNew(second, asks(route)...)
			continue
		}
		c.direct = appendNew(c.direct, route.UpstreamModel)
		asked = appendNew(asked, asks(route)...)
	}
	if c.tasks = asked; len(c.direct) == 0 {
		c.tasks = second
	}
}

// asks are the tasks that a route has its upstream do.
func asks(r Route) []models.Task {
	var all []models.Task
	for _, task := range r.Tasks {
		if task == models.TaskRerank && r.Rerank == "cosine" {
			task = models.TaskEmbed
		}
		all = appendNew(all, task)
	}
	return all
}

func appendNew[T comparable](list []T, values ...T) []T {
	for _, v := range values {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// nameManagedModels gives routes without upstream_model that of a container with one model.
func nameManagedModels(r *Routing) {
	for i, route := range r.Models {
		j := slices.IndexFunc(r.Upstreams, func(u Upstream) bool { return u.Name == route.Upstream })
		if j >= 0 && r.Upstreams[j].Managed.On() && route.UpstreamModel == "" && !wildcard.Is(route.Name) {
			r.Models[i].UpstreamModel = r.Upstreams[j].Managed.Model
		}
	}
}

// resolveContainers writes into the configuration what holds: an upstream for each container, with
// its whole command.
func resolveContainers(cfg *Config) {
	if cfg.Routing.Containers.Instance == "" {
		cfg.Routing.Containers.Instance = instanceOf(cfg.Server.Port)
	}
	all := units(cfg.Routing)
	if len(all) == 0 {
		return
	}
	upstreams := make([]Upstream, 0, len(cfg.Routing.Upstreams)+len(all))
	for i, u := range cfg.Routing.Upstreams {
		if !u.Managed.On() {
			upstreams = append(upstreams, u)
			continue
		}
		for _, c := range all {
			if c.upstream == i {
				upstreams = append(upstreams, c.resolve(u))
			}
		}
		if u.Managed.Model == "" {
			redirect(cfg.Routing.Models, u.Name)
		}
	}
	cfg.Routing.Upstreams = upstreams
}

// instanceOf is the instance of a server that has no other name.
func instanceOf(port int) string { return "quadrate-" + strconv.Itoa(port) }

// ownInstance reports whether the instance is that of the server's port.
func (c *Config) ownInstance() bool {
	return c.Routing.Containers.Instance == instanceOf(c.Server.Port)
}

// resolve is the upstream of one container.
func (c unit) resolve(u Upstream) Upstream {
	known, m := images[u.Type], u.Managed
	if m.ContainerPort == 0 {
		m.ContainerPort = known.port
	}
	if m.ShmMB == 0 {
		m.ShmMB = known.shm
	}
	m.Model = c.model
	m.Args = c.command(m, u.Type)
	if u.APIKey != "" && known.key != "" && !slices.ContainsFunc(m.Env, func(v EnvVar) bool { return v.Name == known.key }) {
		m.Env = append(slices.Clone(m.Env), EnvVar{Name: known.key, Value: u.APIKey})
	}
	u.Name, u.Managed = c.name, m
	return u
}

// redirect has routes and fallbacks that name an upstream without a model lead to those of its
// models.
func redirect(routes []Route, upstream string) {
	for i := range routes {
		r := &routes[i]
		to := expanded(upstream, r.UpstreamModel)
		if r.Upstream == upstream {
			r.Upstream = to
		}
		r.Fallback = slices.Clone(r.Fallback)
		for j, name := range r.Fallback {
			if name == upstream {
				r.Fallback[j] = to
			}
		}
	}
}
