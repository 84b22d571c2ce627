package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// kind is what is known beforehand of a kind of server.
type kind struct {
	// public is the base URL of the service that is meant when no other is given.
	public string
	// prefixed: such a server can have all its routes below a path of any name, also /v1.
	prefixed bool
	// tasks are what such a server may do; what it does is its model's matter.
	tasks []models.Task
}

var kinds = map[string]kind{
	"tei":      {tasks: models.Tasks()},
	"vllm":     {tasks: models.Tasks()},
	"infinity": {tasks: models.Tasks(), prefixed: true},
	"quadrate": {tasks: models.Tasks()},
	"ollama":   {tasks: []models.Task{models.TaskEmbed}},
	"openai":   {tasks: []models.Task{models.TaskEmbed}, public: "https://api.openai.com"},
	"jina":     {tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, public: "https://api.jina.ai"},
	"cohere":   {tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, public: "https://api.cohere.com"},
}

// trimURLs takes the version off the ends of base URLs, where clients of OpenAI and others want
// it: it is part of the routes that are joined to them.
func trimURLs(list []Upstream) {
	for i, u := range list {
		known := kinds[u.Type]
		if len(u.URLs) == 0 && !u.Managed.On() {
			list[i].URLs = []string{known.public}
		}
		for j, text := range u.URLs {
			list[i].URLs[j] = known.base(text)
		}
	}
}

func (k kind) base(text string) string {
	text = strings.TrimRight(text, "/")
	if k.prefixed {
		return text
	}
	for _, version := range []string{"/v1", "/v2"} {
		text = strings.TrimSuffix(text, version)
	}
	return strings.TrimRight(text, "/")
}

func (l *loader) checkRouting(cfg *Config) {
	for i, u := range cfg.Routing.Upstreams {
		if l.whole(upstreamPath(i)) {
			l.checkUpstream(u, upstreamPath(i))
		}
	}
	names := make([]string, len(cfg.Routing.Upstreams))
	for i, u := range cfg.Routing.Upstreams {
		names[i] = u.Name
	}
	l.unique(names, func(i int) string { return upstreamPath(i) + ".name" })
	for i, r := range cfg.Routing.Models {
		if at := routePath(i); l.whole(at) {
			l.checkRoute(r, at)
			l.checkServes(cfg, r, at)
			l.checkFallback(cfg, r, at)
		}
	}
}

// whole says whether an element of a list is a mapping.
func (l *loader) whole(at string) bool { return l.settings[at].value != false }

// unique reports names that are there before; empty ones are others' matter.
func (l *loader) unique(names []string, at func(i int) string) {
	repeated(names, func(i int) {
		if names[i] != "" {
			l.report(at(i), "the name %q is taken by %s", names[i], l.place(at(slices.Index(names, names[i])), at(i)))
		}
	})
}

func (l *loader) checkUpstream(u Upstream, at string) {
	l.checkName(u.Name, at+".name")
	known, isKnown := kinds[u.Type]
	if len(u.URLs) == 0 && isKnown && known.public == "" && !u.Managed.On() && !l.reported(at+".urls") && !l.reported(at+".managed") {
		l.report(at+".urls", "is missing or empty; a base URL belongs here, such as http://localhost:8080")
	}
	for i, text := range u.URLs {
		where := fmt.Sprintf("%s.urls[%d]", at, i)
		if err := checkURL(text, true); err != nil {
			l.report(where, "%v", err)
		} else if slices.ContainsFunc(u.URLs[:i], func(other string) bool { return known.base(other) == known.base(text) }) {
			l.report(where, "%s is there twice", text)
		}
	}
	if (u.ClientCert == "") != (u.ClientKey == "") {
		l.report(at, "has only one of client_cert and client_key; write both or neither")
	}
	if u.FirstByteTimeout > u.Timeout && !l.reported(at+".timeout") {
		l.report(at+".first_byte_timeout", "%s is more than timeout, %s", u.FirstByteTimeout, u.Timeout)
	}
	if u.KeepAlive != "" {
		l.checkKeepAlive(u, at+".keep_alive")
	}
	l.checkHeaders(u, at)
	if !l.reported(at + ".managed.image") {
		l.checkManaged(u, at)
	}
}

func (l *loader) checkKeepAlive(u Upstream, at string) {
	if u.Type != "ollama" {
		l.report(at, "is for type ollama only")
	}
	_, duration := time.ParseDuration(u.KeepAlive)
	if _, seconds := strconv.Atoi(u.KeepAlive); duration != nil && seconds != nil {
		l.report(at, "%q is neither a duration, such as 10m, nor a number of seconds, such as -1", u.KeepAlive)
	}
}

// checkURL wants a URL whose path others can add to. Its error shows the URL only where that
// holds no password.
func checkURL(text string, dns bool) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("is empty; write a URL, such as http://localhost:8080")
	case strings.Contains(text, "@"):
		return fmt.Errorf("has credentials in it; api_key and headers are the places for those")
	case err != nil || strings.ContainsAny(text, " \t\r\n"):
		return fmt.Errorf("%q is not a URL, such as http://localhost:8080", text)
	}
	scheme, byName := strings.CutPrefix(u.Scheme, "dns+")
	switch {
	case scheme != "http" && scheme != "https" || byName && !dns:
		allowed := "http, https"
		if dns {
			allowed += ", dns+http, dns+https"
		}
		return fmt.Errorf("%q is not a URL that can be used here: it begins with one of %s, and ://", text, allowed)
	case u.Hostname() == "":
		return fmt.Errorf("%q has no host", text)
	case byName && u.Port() == "":
		return fmt.Errorf("%q has no port, which %s:// needs, as in %s://%s:8080", text, u.Scheme, u.Scheme, u.Hostname())
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%q has a query or fragment; a base URL ends with its path", text)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q has no port between 1 and 65535", text)
		}
	}
	return nil
}

// setByUs are the headers of a request that are not configuration's to set.
var setByUs = []string{"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}

func (l *loader) checkHeaders(u Upstream, at string) {
	seen := map[string]bool{}
	for i, h := range u.Headers {
		where, name := fmt.Sprintf("%s.headers[%d]", at, i), strings.ToLower(h.Name)
		switch {
		case h.Name == "":
			continue
		case strings.ContainsFunc(h.Name, notInToken):
			l.report(where+".name", "%q is not a header's name: letters, digits and dashes make one", h.Name)
		case seen[name]:
			l.report(where+".name", "%s is there twice", h.Name)
		case slices.Contains(setByUs, name):
			l.report(where+".name", "%s is set by the server itself", h.Name)
		case name == "authorization" && u.APIKey != "":
			l.report(where+".name", "%s is what api_key is sent as; write one of the two", h.Name)
		}
		seen[name] = true
		if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			l.report(where+".value", "has control characters in it")
		}
	}
	if strings.ContainsFunc(u.APIKey, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		l.report(at+".api_key", "has white space, control characters or letters beyond ASCII in it; keys have none")
	}
}

// notInToken is for the names of headers (RFC 9110, 5.6.2).
func notInToken(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func (l *loader) checkRoute(r Route, at string) {
	l.checkName(r.Name, at+".name")
	for i, alias := range r.Aliases {
		where := fmt.Sprintf("%s.aliases[%d]", at, i)
		l.checkAlias(alias, where)
		if wildcard.Is(alias) {
			l.report(where, "%q has a *, which only name may have", alias)
		}
	}
	if wildcard.Is(r.Name) && len(r.Aliases) > 0 && r.UpstreamModel == "" {
		l.report(at+".aliases", "which model an alias of %q means cannot be told; give it an entry of its own, with upstream_model", r.Name)
	}
	if wildcard.Is(r.UpstreamModel) && (strings.Count(r.UpstreamModel, "*") > 1 || strings.Count(r.Name, "*") != 1) {
		l.report(at+".upstream_model", "%q has a *, which stands for what the * of name does; each of both needs exactly one", r.UpstreamModel)
	}
	l.checkTasks(r.Tasks, at)
	if r.Rerank != "" && !slices.Contains(r.Tasks, models.TaskRerank) && !l.reported(at+".tasks") {
		l.report(at+".rerank", "says how rerank is done, but tasks does not list it")
	}
}

// checkServes wants an upstream that may do what the route promises.
func (l *loader) checkServes(cfg *Config, r Route, at string) {
	var names []string
	for _, u := range cfg.Routing.Upstreams {
		if names = append(names, u.Name); u.Name == r.Upstream && kinds[u.Type].tasks != nil {
			l.checkKind(u, r, at)
		}
	}
	if r.Upstream != "" && !slices.Contains(names, r.Upstream) {
		l.report(at+".upstream", "there is no upstream %q%s", r.Upstream, suggestion(r.Upstream, names))
	}
}

func (l *loader) checkKind(u Upstream, r Route, at string) {
	for i, task := range r.Tasks {
		can := slices.Contains(kinds[u.Type].tasks, task)
		switch {
		case can || task == models.TaskRerank && r.Rerank == "cosine":
		case task == models.TaskRerank:
			l.report(fmt.Sprintf("%s.tasks[%d]", at, i), "%s cannot rerank; rerank: cosine does it here, by the cosine of its embeddings", u.Type)
		default:
			l.report(fmt.Sprintf("%s.tasks[%d]", at, i), "%s cannot %s", u.Type, task)
		}
	}
}

// checkFallback wants upstreams and models that there are, and not the route itself.
func (l *loader) checkFallback(cfg *Config, r Route, at string) {
	known := targets(cfg)
	for i, name := range r.Fallback {
		where := fmt.Sprintf("%s.fallback[%d]", at, i)
		byPattern := slices.ContainsFunc(cfg.Routing.Models, func(other Route) bool { return wildcard.Match(other.Name, name) })
		switch {
		case name == "":
			l.report(where, "is empty; write the name of an upstream or of a model")
		case name == r.Upstream || name == r.Name || slices.Contains(r.Aliases, name):
			l.report(where, "%q is the route itself", name)
		case slices.Index(r.Fallback, name) < i:
			l.report(where, "%q is there twice", name)
		case !slices.Contains(known, name) && !byPattern && l.readable[""]:
			l.report(where, "there is no upstream or model %q%s", name, suggestion(name, known))
		}
	}
}

// targets are the names of all upstreams and models.
func targets(cfg *Config) []string {
	var all []string
	for _, u := range cfg.Routing.Upstreams {
		all = append(all, u.Name)
	}
	for _, r := range cfg.Routing.Models {
		all = append(append(all, r.Name), r.Aliases...)
	}
	for _, m := range cfg.Models {
		all = append(append(all, m.Name), m.Aliases...)
	}
	return all
}

// suggestion ends a sentence about a name that there is not.
func suggestion(name string, there []string) string {
	if n := nearest(name, there); n != "" {
		return ": did you mean " + n + "?"
	}
	return ""
}
