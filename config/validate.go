package config

import (
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// validate checks what no single value shows: needs, and values against each other.
func (l *loader) validate(cfg *Config) {
	l.checkNeeds(reflect.ValueOf(cfg).Elem(), root, "")
	l.checkServer(cfg.Server)
	if len(cfg.Models) == 0 && !l.reported("models") {
		l.report("models", "no model is listed, so there is nothing to serve")
	}
	for i, m := range cfg.Models {
		l.checkModel(m, modelPath(i))
	}
	l.checkNames(cfg.Models)
}

func (l *loader) report(path, format string, args ...any) {
	l.problems.add(l.origin(path), path, format, args...)
}

// reported says whether something is wrong at path, or in what it holds, already.
func (l *loader) reported(path string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool {
		rest, below := strings.CutPrefix(p.Path, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
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

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return text == "*" || err == nil && u.Host != "" && text == u.Scheme+"://"+u.Host && (u.Scheme == "http" || u.Scheme == "https")
}

func modelPath(i int) string { return fmt.Sprintf("models[%d]", i) }

func (l *loader) checkModel(m Model, at string) {
	for i, name := range append([]string{m.Name}, m.Aliases...) {
		where := at + ".name"
		if i > 0 {
			where = fmt.Sprintf("%s.aliases[%d]", at, i-1)
		}
		switch {
		case name == "" && i > 0:
			l.report(where, "is empty; write a name")
		case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
			l.report(where, "%q has white space in it; names have none", name)
		}
	}
	repeated(m.Tasks, func(i int) { l.report(fmt.Sprintf("%s.tasks[%d]", at, i), "%s is there twice", m.Tasks[i]) })
	repeated(m.Devices, func(i int) { l.report(fmt.Sprintf("%s.devices[%d]", at, i), "%d is there twice", m.Devices[i]) })
}

// repeated calls report with the index of each element that is there before.
func repeated[T comparable](list []T, report func(i int)) {
	for i, v := range list {
		if slices.Index(list, v) < i {
			report(i)
		}
	}
}

// checkNames wants every name and alias to lead to one model.
func (l *loader) checkNames(list []Model) {
	taken := map[string]string{}
	claim := func(name, at string) {
		if first, twice := taken[name]; twice {
			l.report(at, "the name %q is taken by %s", name, l.place(first))
			return
		}
		taken[name] = at
	}
	for i, m := range list {
		if m.Name != "" {
			claim(m.Name, modelPath(i)+".name")
		}
		for j, alias := range m.Aliases {
			if alias != "" {
				claim(alias, fmt.Sprintf("%s.aliases[%d]", modelPath(i), j))
			}
		}
	}
}

// place names a path together with its line or variable.
func (l *loader) place(at string) string {
	switch from := l.origin(at); {
	case from.env != "":
		return fmt.Sprintf("%s (%s)", at, from.env)
	case from.line > 0:
		return fmt.Sprintf("%s (line %d)", at, from.line)
	}
	return at
}
