package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
)

// withDefaults fills in what is 0, and turns "none", which is negative, into 0.
func (u Upstream) withDefaults() Upstream {
	u.Timeout = cmp.Or(u.Timeout, 30*time.Second)
	u.ConnectTimeout = min(cmp.Or(u.ConnectTimeout, 5*time.Second), u.Timeout)
	u.FirstByteTimeout = min(cmp.Or(u.FirstByteTimeout, u.Timeout), u.Timeout)
	u.Retries = max(0, cmp.Or(u.Retries, 2))
	u.RetryBudget = max(0, cmp.Or(u.RetryBudget, 20))
	u.MaxInFlight = cmp.Or(u.MaxInFlight, 256)
	u.MaxQueued = max(0, cmp.Or(u.MaxQueued, 1024))
	u.MaxAnswer = cmp.Or(u.MaxAnswer, 256<<20)
	u.ProbeInterval = max(0, cmp.Or(u.ProbeInterval, 10*time.Second))
	if u.Managed {
		u.ProbeInterval = 0
	}
	u.EjectAfter = cmp.Or(u.EjectAfter, 5)
	u.EjectTime = cmp.Or(u.EjectTime, 10*time.Second)
	return u
}

// validate reports everything that is wrong at once.
func (o Options) validate() error {
	var problems []error
	names, managed := map[string]bool{}, map[string]bool{}
	for i, u := range o.Upstreams {
		at := fmt.Sprintf("upstreams[%d] (%q)", i, u.Name)
		if u.Name == "" || names[u.Name] {
			problems = append(problems, fmt.Errorf("%s: name is empty or used twice", at))
		}
		names[u.Name], managed[u.Name] = true, u.Managed
		problems = append(problems, u.problems(at)...)
	}
	for i, r := range o.Routes {
		at := fmt.Sprintf("models[%d] (%q)", i, r.Name)
		problems = append(problems, r.problems(at, names)...)
		if wildcard.Is(r.Name) && managed[r.Upstream] {
			problems = append(problems, fmt.Errorf("%s: upstream %q is managed, which serves one model: the name may hold no *", at, r.Upstream))
		}
	}
	return errors.Join(problems...)
}

func (u Upstream) problems(at string) (problems []error) {
	if !slices.Contains(Types(), u.Type) {
		problems = append(problems, fmt.Errorf("%s: type %q is none of %q", at, u.Type, Types()))
	}
	switch {
	case u.Managed && len(u.URLs) > 0:
		problems = append(problems, fmt.Errorf("%s: urls: there are %d, and managed is set, too: give one of the two", at, len(u.URLs)))
	case !u.Managed && len(u.URLs) == 0:
		problems = append(problems, fmt.Errorf("%s: urls is empty", at))
	}
	var targets []target
	for i, raw := range u.URLs {
		t, err := parseTarget(raw)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: urls[%d]: %w", at, i, err))
		} else if slices.Contains(targets, t) {
			problems = append(problems, fmt.Errorf("%s: urls[%d]: %q is there already", at, i, raw))
		}
		targets = append(targets, t)
	}
	for name, values := range u.Header {
		for _, v := range append(slices.Clone(values), name) {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				problems = append(problems, fmt.Errorf("%s: headers: %q holds a control character", at, name))
			}
		}
	}
	if strings.ContainsFunc(u.APIKey, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		problems = append(problems, fmt.Errorf("%s: api_key holds a control character, such as a line's end", at))
	}
	if (u.ClientCert == "") != (u.ClientKey == "") {
		problems = append(problems, fmt.Errorf("%s: client_cert and client_key go together", at))
	}
	return problems
}

func (r Route) problems(at string, upstreams map[string]bool) (problems []error) {
	if r.Name == "" {
		problems = append(problems, fmt.Errorf("%s: name is empty", at))
	}
	if !upstreams[r.Upstream] {
		problems = append(problems, fmt.Errorf("%s: upstream %q is not among upstreams", at, r.Upstream))
	}
	if len(r.Tasks) == 0 {
		problems = append(problems, fmt.Errorf("%s: tasks is empty", at))
	}
	for i, alias := range r.Aliases {
		if wildcard.Is(alias) && !wildcard.Is(r.Name) {
			problems = append(problems, fmt.Errorf("%s: aliases[%d]: %q holds *, and the name does not", at, i, alias))
		}
	}
	for i, to := range r.Fallback {
		if to == "" || to == r.Name || to == r.Upstream || slices.Contains(r.Fallback[:i], to) {
			problems = append(problems, fmt.Errorf("%s: fallback[%d]: %q is empty, the model or upstream itself, or there already", at, i, to))
		}
	}
	if wildcard.Is(r.UpstreamModel) && len(r.Aliases) > 0 {
		problems = append(problems, fmt.Errorf("%s: aliases: what the * of upstream_model %q stands for in an alias cannot be told", at, r.UpstreamModel))
	}
	if wildcard.Is(r.UpstreamModel) && (strings.Count(r.Name, "*") != 1 || strings.Count(r.UpstreamModel, "*") != 1) {
		problems = append(problems, fmt.Errorf("%s: upstream_model %q holds *, which stands for that of the name: each needs exactly one", at, r.UpstreamModel))
	}
	return problems
}

// target is one of an upstream's URLs.
type target struct {
	base url.URL
	// dns: each address of the host is an endpoint of its own.
	dns bool
}

func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	switch {
	case strings.Contains(raw, "@"):
		return target{}, errors.New("a URL may hold no credentials, which belong in api_key or headers; it is not shown here")
	case err != nil:
		return target{}, fmt.Errorf("%q is not a URL", raw)
	}
	var t target
	u.Scheme, t.dns = strings.CutPrefix(u.Scheme, "dns+")
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("%q does not begin with http://, https://, dns+http:// or dns+https://", raw)
	case u.Hostname() == "":
		return target{}, fmt.Errorf("%q has no host", raw)
	case u.RawQuery != "" || u.Fragment != "":
		return target{}, fmt.Errorf("the URL of %q may hold nothing beyond scheme, host, port and path", u.Host)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawPath = ""
	t.base = *u
	return t, nil
}

// port of the target, the scheme's if it names none.
func (t target) port() string {
	if p := t.base.Port(); p != "" {
		return p
	}
	if t.base.Scheme == "https" {
		return "443"
	}
	return "80"
}
