package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// validate checks what no single value shows: needs, and values against each other.
func (l *loader) validate(cfg *Config) {
	if l.readable[""] {
		l.checkNeeds(reflect.ValueOf(cfg).Elem(), documents[0].schema, "")
		l.checkServer(cfg.Server)
		l.checkTracing(cfg.Tracing)
		l.checkServed(cfg)
		for i, m := range cfg.Models {
			l.checkModel(m, modelPath(i))
		}
	}
	for _, d := range documents[1:] {
		l.checkNeeds(reflect.ValueOf(cfg).Elem().Field(root.find(d.path).index), d.schema, d.path)
	}
	l.checkNames(cfg)
	l.checkRouting(cfg)
	l.checkContainers(cfg)
	l.checkAuth(cfg)
	l.checkRateLimits(cfg.RateLimits)
}

// checkServed wants a model, local or not.
func (l *loader) checkServed(cfg *Config) {
	switch {
	case len(cfg.Models) > 0 || slices.ContainsFunc(cfg.Routing.Models, cfg.Routing.Usable):
	case l.reported("models") || l.reported("routing") || !l.readable["routing"]:
	case len(cfg.Routing.Models) > 0:
		l.report("models", "no model is listed and no route in %s is enabled, so there is nothing to serve", l.nameOf("routing"))
	default:
		l.report("models", "no model is listed, and no route in %s, so there is nothing to serve", l.nameOf("routing"))
	}
}

func (l *loader) report(path, format string, args ...any) {
	l.problems.add(l.origin(path), path, format, args...)
}

// reported says whether something is wrong at path, or in what it holds, already.
func (l *loader) reported(path string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool {
		return within(p.Path, path)
	})
}

func (l *loader) checkNeeds(v reflect.Value, s *section, path string) {
	for _, f := range s.fields {
		at, value := join(path, f.key), v.Field(f.index)
		switch {
		case f.sub != nil && f.isList():
			for i := range value.Len() {
				if element := fmt.Sprintf("%s[%d]", at, i); l.settings[element].value != false {
					l.checkNeeds(value.Index(i), f.sub, element)
				}
			}
		case f.sub != nil:
			l.checkNeeds(value, f.sub, at)
		case f.need != "" && (value.IsZero() || f.isList() && value.Len() == 0) && !l.reported(at):
			l.report(at, "is missing or empty; %s belongs here", f.need)
		}
	}
}

func (l *loader) checkServer(s Server) {
	if s.BytesInFlight < s.BodyLimit {
		l.report("server.bytes_in_flight", "%s is less than server.body_limit, %s: a body of the largest size could never be read", s.BytesInFlight, s.BodyLimit)
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		l.report("server.tls", "has only one of cert and key; HTTPS takes both, HTTP neither")
	}
	switch host := s.Host; {
	case strings.HasPrefix(host, "["), strings.Contains(host, "/"):
		l.report("server.host", "%q is not a host: write a bare name or address, such as 0.0.0.0 or ::1", host)
	case strings.Contains(host, ":") && net.ParseIP(host) == nil:
		l.report("server.host", "%q is not a host: the port goes to server.port", host)
	}
	for i, origin := range s.CORS.Origins {
		if !isOrigin(origin) {
			l.report(fmt.Sprintf("server.cors.origins[%d]", i), "%q is not an origin: write scheme and host, such as https://app.example.com, or *", origin)
		}
	}
}

func (l *loader) checkTracing(t Tracing) {
	if ratio, err := parseRatio(t.Ratio); err != nil || ratio < 0 || ratio > 1 {
		l.report("tracing.ratio", "%q is not a number from 0 to 1", t.Ratio)
	}
	if t.Endpoint != "" {
		if err := checkURL(t.Endpoint, false); err != nil {
			l.report("tracing.endpoint", "%v", err)
		}
	}
}

func parseRatio(text string) (float64, error) {
	ratio, err := strconv.ParseFloat(text, 64)
	if err == nil && math.IsNaN(ratio) {
		err = strconv.ErrSyntax
	}
	return ratio, err
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return text == "*" || err == nil && u.Host != "" && text == u.Scheme+"://"+u.Host && (u.Scheme == "http" || u.Scheme == "https")
}

func modelPath(i int) string { return fmt.Sprintf("models[%d]", i) }

func (l *loader) checkModel(m Model, at string) {
	l.checkName(m.Name, at+".name")
	if wildcard.Is(m.Name) {
		l.report(at+".name", "%q has a *, which only names of routes may have", m.Name)
	}
	for i, alias := range m.Aliases {
		l.checkAlias(alias, fmt.Sprintf("%s.aliases[%d]", at, i))
	}
	l.checkTasks(m.Tasks, at)
	repeated(m.Devices, func(i int) { l.report(fmt.Sprintf("%s.devices[%d]", at, i), "%d is there twice", m.Devices[i]) })
}

func (l *loader) checkName(name, at string) {
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		l.report(at, "%q has white space in it; names have none", name)
	}
}

func (l *loader) checkAlias(alias, at string) {
	if alias == "" {
		l.report(at, "is empty; write a name")
	}
	l.checkName(alias, at)
}

func (l *loader) checkTasks(tasks []models.Task, at string) {
	repeated(tasks, func(i int) { l.report(fmt.Sprintf("%s.tasks[%d]", at, i), "%s is there twice", tasks[i]) })
}

// repeated calls report with the index of each element that is there before.
func repeated[T comparable](list []T, report func(i int)) {
	for i, v := range list {
		if slices.Index(list, v) < i {
			report(i)
		}
	}
}

// checkNames wants every name and alias to lead to one model, local or not. Patterns of routes
// are for what has no name.
func (l *loader) checkNames(cfg *Config) {
	taken := map[string]string{}
	claim := func(name, at string) {
		if first, twice := taken[name]; twice {
			l.report(at, "the name %q is taken by %s", name, l.place(first, at))
			return
		}
		taken[name] = at
	}
	claimAll := func(name string, aliases []string, at string) {
		if name != "" && !wildcard.Is(name) {
			claim(name, at+".name")
		}
		for j, alias := range aliases {
			if alias != "" {
				claim(alias, fmt.Sprintf("%s.aliases[%d]", at, j))
			}
		}
	}
	for i, m := range cfg.Models {
		claimAll(m.Name, m.Aliases, modelPath(i))
	}
	for i, r := range cfg.Routing.Models {
		claimAll(r.Name, r.Aliases, routePath(i))
	}
}

// place names a path together with its line or variable, for a sentence about the path from.
func (l *loader) place(at, from string) string {
	switch o := l.origin(at); {
	case o.env != "":
		return fmt.Sprintf("%s (%s)", local(at), o.env)
	case documentOf(at).path != documentOf(from).path:
		return fmt.Sprintf("%s (%s:%d)", local(at), o.file, o.line)
	case o.line > 0:
		return fmt.Sprintf("%s (line %d)", local(at), o.line)
	}
	return local(at)
}
