package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-shellwords"

	"github.com/quadrate-maas/quadrate/models"
)

// timeoutName is the default of upstreams[].timeout, in seconds.
const timeoutName = "ROUTER_REQUEST_TIMEOUT_SECONDS"

// remote is an upstream that environment variables of replaced systems make.
type remote struct {
	name, kind string
	// variables begin with prefix.
	prefix string
	url    string // the default
	// enabled: the upstream is there when the variable ENABLED is true, and else as soon as
	// one of its variables is set.
	enabled bool
	// model is the one model when it is set by MODEL; else MODELS lists them.
	model string
	tasks []models.Task
	// image: it is a container when the variable DOCKER_IMAGE names an image; args: the variable
	// ARGS is its arguments.
	image, args bool
}

// anyModel is the route where no model is named: the upstream lists what it serves.
const anyModel = "*"

var remotes = []remote{
	{name: "qwen3", kind: "openai", prefix: "QWEN3_", url: "http://localhost:8081", enabled: true, model: "Qwen/Qwen3-Embedding-0.6B", tasks: []models.Task{models.TaskEmbed}},
	{name: "ollama", kind: "ollama", prefix: "OLLAMA_", url: "http://localhost:11434", tasks: []models.Task{models.TaskEmbed}},
	{name: "tei", kind: "tei", prefix: "TEI_", url: "http://localhost:8080", tasks: models.Tasks(), image: true},
	{name: "vllm", kind: "vllm", prefix: "VLLM_", url: "http://localhost:8081", tasks: models.Tasks(), image: true, args: true},
}

// remoteName is an environment variable of a remote, for the reference.
type remoteName struct{ name, def, sets, doc string }

// names lists the remote's variables.
func (r remote) names() []remoteName {
	at := "upstream `" + r.name + "`"
	var all []remoteName
	add := func(name, def, sets, doc string) {
		all = append(all, remoteName{r.prefix + name, def, sets, doc})
	}
	if r.enabled {
		add("ENABLED", "false", at, "true: there is an upstream `"+r.name+"`, type "+r.kind+", which replaces the entry of that name")
		add("API_KEY", "", "`api_key`", "its key, or file:/path of one")
	}
	add("BASE_URL", r.url, "`urls`", "its base URL")
	if r.model != "" {
		add("MODEL", r.model, "`models[]`", "the model that it serves")
		return all
	}
	none := "all that it lists (a route `*`)"
	if r.image {
		none += ", or an error where it is a container"
	}
	add("MODELS", "", "`models[]`", "models that it serves, separated by commas; empty: what routes of the file lead to it, and if there are none, "+none)
	if r.image {
		add("DOCKER_IMAGE", "", "`managed.image`", "the image of a container that this server starts for each of the models; other `managed` keys of the file's entry `"+r.name+"` hold for it; empty: the server at "+r.prefix+"BASE_URL")
	}
	if r.args {
		add("ARGS", "", "`managed.args`", "the containers' arguments after model and port, as a shell would read them, in place of the usual ones; empty: the usual ones")
	}
	return all
}

// first is the first variable that is set.
func (r remote) first(env environment) (variable, bool) {
	for _, n := range r.names() {
		if v, ok := env[n.name]; ok {
			return v, true
		}
	}
	return variable{}, false
}

// defaultTimeout takes the default of upstreams[].timeout from its variable.
func (l *loader) defaultTimeout() {
	v, ok := l.env[timeoutName]
	if !ok {
		return
	}
	seconds, err := strconv.ParseFloat(v.value, 64)
	timeout := time.Duration(seconds * float64(time.Second))
	if err != nil || timeout < time.Millisecond || seconds > 1e6 {
		l.problems.add(v.from, "", "%q is not a number of seconds above 0, such as 30", v.value)
		return
	}
	l.defaults["routing.upstreams[].timeout"] = timeout
}

// applyRemotes adds the upstreams that the environment makes, in place of the file's entries of
// their names.
func (l *loader) applyRemotes(cfg *Config) {
	for _, r := range remotes {
		v, ok := r.first(l.env)
		if r.enabled {
			v, ok = l.enabled(r)
		}
		if !ok {
			continue
		}
		l.addUpstream(&cfg.Routing, r, v.from)
		l.addRoutes(&cfg.Routing, r, v.from)
	}
}

func (l *loader) enabled(r remote) (variable, bool) {
	v, ok := l.env[r.prefix+"ENABLED"]
	if !ok {
		return v, false
	}
	on, err := parseBool(v.value)
	if err != nil {
		l.problems.add(v.from, "", "%q %v", v.value, err)
	}
	return v, on
}

// container says whether the remote is a container.
func (l *loader) container(r remote) (variable, bool) {
	v := l.env[r.prefix+"DOCKER_IMAGE"]
	return v, r.image && v.value != ""
}

func upstreamPath(i int) string { return fmt.Sprintf("routing.upstreams[%d]", i) }

func routePath(i int) string { return fmt.Sprintf("routing.models[%d]", i) }

func (l *loader) addUpstream(routing *Routing, r remote, from origin) {
	i := slices.IndexFunc(routing.Upstreams, func(u Upstream) bool { return u.Name == r.name })
	if i < 0 {
		i = len(routing.Upstreams)
		routing.Upstreams = append(routing.Upstreams, Upstream{})
	}
	at := upstreamPath(i)
	image, contained := l.container(r)
	for path := range l.settings {
		kept := contained && within(path, at+".managed")
		if within(path, at) && !kept {
			delete(l.settings, path)
		}
	}
	l.setArgs(r, at, contained)
	if contained {
		l.setImage(r, at, image)
	}
	u := Upstream{}
	l.fill(reflect.ValueOf(&u).Elem(), root.leaf("routing.upstreams").sub, at, l.listed)
	l.settings[at] = setting{from: from}
	u.Name, u.Type = r.name, r.kind
	if !contained {
		u.URLs = []string{r.url}
	}
	if v, ok := l.env[r.prefix+"BASE_URL"]; ok && !contained {
		l.settings[at+".urls"] = setting{from: v.from}
		u.URLs[0] = v.value
	}
	if v, ok := l.env[r.prefix+"API_KEY"]; ok && r.enabled {
		var err error
		l.settings[at+".api_key"] = setting{from: v.from}
		if u.APIKey, err = l.secret(v.value); err != nil {
			l.problems.add(v.from, at+".api_key", "%v", err)
		}
	}
	routing.Upstreams[i] = u
}

// setImage makes the remote a container, for which the file's entry may say more. Models that are
// named beside the image replace the entry's one.
func (l *loader) setImage(r remote, at string, image variable) {
	l.settings[at+".managed.image"] = setting{value: image.value, from: image.from}
	if l.env[r.prefix+"MODELS"].value != "" {
		delete(l.settings, at+".managed.model")
	}
}

// setArgs splits the arguments of the remote's containers.
func (l *loader) setArgs(r remote, at string, contained bool) {
	v := l.env[r.prefix+"ARGS"]
	if !r.args || v.value == "" {
		return
	}
	if !contained {
		l.problems.add(v.from, "", "is for containers, and %sDOCKER_IMAGE names no image for them", r.prefix)
		return
	}
	args, err := splitArgs(v.value)
	if err != nil {
		l.problems.add(v.from, "", "%v", err)
		return
	}
	l.settings[at+".managed.args"] = setting{value: args, from: v.from}
}

// splitArgs splits text like a shell, which expands nothing.
func splitArgs(text string) ([]string, error) {
	parser := shellwords.NewParser()
	parser.ParseEnv, parser.ParseBacktick, parser.ParseComment = false, false, false
	args, err := parser.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("cannot be split into arguments: a quote or a bracket is not closed")
	case parser.Position >= 0:
		// No more of it is shown: keys may be among arguments.
		rest := string([]rune(text)[parser.Position:])
		return nil, fmt.Errorf("has a %q that a shell would not pass on; put quotes around it", rest[strings.IndexAny(rest, ";&|<>")])
	}
	return args, nil
}

// addRoutes adds the models that the environment names. Where it names none, routes of the file
// that lead to the upstream are enough.
func (l *loader) addRoutes(routing *Routing, r remote, from origin) {
	names, named := []string{r.model}, l.env[r.prefix+"MODEL"]
	if v, ok := l.env[r.prefix+"MODEL"]; ok {
		names[0] = v.value
	}
	if r.model == "" {
		named = l.env[r.prefix+"MODELS"]
		names = splitList(named.value)
	}
	if len(names) == 0 {
		if slices.ContainsFunc(routing.Models, func(route Route) bool { return route.Upstream == r.name }) {
			return
		}
		if image, contained := l.container(r); contained {
			l.checkAnyModel(*routing, r, image)
			return
		}
		names = []string{anyModel}
	}
	if named.from != (origin{}) {
		from = named.from
	}
	for _, name := range names {
		if slices.ContainsFunc(routing.Models, func(route Route) bool { return route.Upstream == r.name && route.Name == name }) {
			continue
		}
		at, route := routePath(len(routing.Models)), Route{}
		l.fill(reflect.ValueOf(&route).Elem(), root.leaf("routing.models").sub, at, l.listed)
		route.Name, route.Upstream, route.Tasks = name, r.name, l.tasksOf(r, name)
		l.settings[at] = setting{from: from}
		routing.Models = append(routing.Models, route)
	}
}

// checkAnyModel wants somebody to say what the remote's containers are to serve.
func (l *loader) checkAnyModel(routing Routing, r remote, image variable) {
	i := slices.IndexFunc(routing.Upstreams, func(u Upstream) bool { return u.Name == r.name })
	fallback := slices.ContainsFunc(routing.Models, func(route Route) bool { return route.Leads(r.name) })
	if routing.Upstreams[i].Managed.Model != "" || fallback {
		return
	}
	l.problems.add(image.from, upstreamPath(i)+".managed", "there is a container for each model, and no model is named: list them in %sMODELS, or routes with upstream: %s in %s", r.prefix, r.name, l.nameOf("routing"))
}

// tasksOf are the tasks of a model that the environment names. A container of vLLM does one kind.
func (l *loader) tasksOf(r remote, model string) []models.Task {
	_, contained := l.container(r)
	switch {
	case !contained || r.kind != "vllm":
		return slices.Clone(r.tasks)
	case strings.Contains(strings.ToLower(model), "rerank"):
		return []models.Task{models.TaskRerank}
	}
	return []models.Task{models.TaskEmbed}
}

func splitList(text string) []string {
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// routeIndex finds a route by its name or an alias, patterns apart; -1 if there is none.
func routeIndex(list []Route, name string) int {
	return slices.IndexFunc(list, func(r Route) bool { return r.Name == name || slices.Contains(r.Aliases, name) })
}
