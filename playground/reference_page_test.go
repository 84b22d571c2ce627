package playground

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// writer makes the page.
type writer struct {
	strings.Builder
	*description
	t      *testing.T
	routes []route
	// shown links to the route that has told of the fields of a body's schema.
	shown map[string]string
	// answered links to the route that has shown an answer.
	answered map[literal]string
	// named are the schemas of parts of answers that are told of at the end.
	named []string
}

func writeReference(t *testing.T, d *description) string {
	w := &writer{description: d, t: t, routes: d.routes(t), shown: map[string]string{}, answered: map[literal]string{}}
	for _, r := range w.routes {
		answer, _ := r.Responses.get("200")
		for _, m := range answer.Content {
			w.named = append(w.named, d.objects(m.value.Schema)...)
		}
	}
	w.named = unique(w.named)
	about, errors, cut := strings.Cut(d.Info.Description, "## Errors\n")
	require.True(t, cut, "the description has no part about errors")
	w.printf("# The HTTP API\n\nA running server shows this at `/docs`, where it can be tried, and as OpenAPI at `/openapi.json`. ")
	w.printf("All three are made from `playground/openapi.yaml`; `go test ./playground -update` writes the page.\n\n")
	w.printf("%s\n## Routes\n\n", strings.TrimSpace(about)+"\n")
	w.index()
	for _, tag := range d.Tags {
		w.section(tag)
	}
	w.objects()
	w.printf("## Keys\n\n")
	w.keys()
	w.printf("## Headers\n\n")
	w.requestHeaders()
	w.answerHeaders()
	w.printf("## Errors\n\n%s\n\n", strings.TrimSpace(errors))
	w.errors()
	return strings.TrimRight(w.String(), "\n") + "\n"
}

func unique(list []string) (once []string) {
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

func (w *writer) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w.printf("| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, cells := range rows {
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		w.printf("| %s |\n", strings.Join(cells, " | "))
	}
	w.printf("\n")
}

func (w *writer) index() {
	var rows [][]string
	for _, r := range w.routes {
		rows = append(rows, []string{r.link(), r.Summary, w.who(r)})
	}
	w.table([]string{"route", "what it does", "[for](#keys)"}, rows)
}

// who tells who may call a route.
func (w *writer) who(r route) string {
	if r.For != "" {
		return r.For
	}
	security := r.Security
	if security == nil {
		security = w.Security
	}
	open := slices.ContainsFunc(security, func(one map[string]any) bool { return len(one) == 0 })
	switch {
	case len(security) == 1 && open:
		return "everybody"
	case open:
		return "callers"
	}
	return "admins"
}

// section is a tag's routes. A route of several tags stands in the first one's.
func (w *writer) section(tag tag) {
	w.printf("## %s\n\n%s", tag.Name, tag.Description)
	var others []string
	for _, r := range w.routes {
		if slices.Contains(r.Tags[1:], tag.Name) {
			others = append(others, r.link())
		}
	}
	if others != nil {
		w.printf(" See also %s.", strings.Join(others, ", "))
	}
	w.printf("\n\n")
	for _, r := range w.routes {
		if r.Tags[0] == tag.Name {
			w.entry(r)
		}
	}
}

func (w *writer) entry(r route) {
	w.printf("### %s\n\n**%s**, for [%s](#keys)", r.heading(), r.Summary, w.who(r))
	if r.same != nil {
		w.printf("; also at %s", strings.Join(r.same, ", "))
	}
	w.printf(".\n\n")
	if r.Description != "" {
		w.printf("%s\n\n", strings.TrimSpace(r.Description))
	}
	w.input(r)
	w.example(r)
	w.statuses(r)
}

// input tells of the parameters and the body's fields, those of each schema once.
func (w *writer) input(r route) {
	var known []string
	rows := w.parameters(r)
	parameters := len(rows)
	for _, m := range r.RequestBody.Content {
		for _, s := range m.value.Schema.either() {
			if link, ok := w.shown[s.Ref]; ok {
				known = append(known, link)
				continue
			}
			w.shown[s.Ref] = r.link()
			rows = append(rows, w.fields(w.schema(s), "")...)
		}
	}
	switch {
	case known != nil && len(rows) > parameters:
		w.printf("The fields are those of %s, or these:\n\n", strings.Join(known, ", "))
	case known != nil:
		w.printf("The body's fields are those of %s.\n\n", strings.Join(known, ", or of "))
	}
	w.table([]string{"field", "type", "default", "meaning"}, rows)
}

// parameters are the rows for those of the path and the query.
func (w *writer) parameters(r route) (rows [][]string) {
	for _, p := range r.Parameters {
		if p = w.parameter(p); p.In != "header" {
			standard := p.Schema.Default.code()
			if p.Required {
				standard = "required"
			}
			rows = append(rows, []string{"`" + p.Name + "` in the " + p.In, w.typeOf(p.Schema), standard, oneLine(p.Description)})
		}
	}
	return rows
}

// either is the schemas of which a body is one.
func (s schema) either() []schema {
	if s.AnyOf != nil {
		return s.AnyOf
	}
	return []schema{s}
}

// example shows one request and its answer.
func (w *writer) example(r route) {
	for _, m := range r.RequestBody.Content {
		w.json(m.value.first())
	}
	answer, ok := r.Responses.get("200")
	require.True(w.t, ok, r.path)
	w.printf("Answer: %s", oneLine(answer.Description))
	var types []string
	for _, m := range answer.Content {
		if m.name != "application/json" {
			types = append(types, "`"+m.name+"`")
		}
	}
	if types != nil {
		w.printf(" As %s.", strings.Join(types, ", "))
	}
	media, _ := answer.Content.get("application/json")
	w.answer(r, media)
}

// answer shows an answer and tells of its fields, or says where that was done.
func (w *writer) answer(r route, m media) {
	example := m.first()
	if link, ok := w.answered[example]; ok {
		w.printf(" It is like that of %s.\n\n", link)
		return
	}
	w.printf("\n\n")
	if example != "" {
		w.answered[example] = r.link()
		w.json(example)
	}
	rows := w.answers(m.Schema, "")
	switch {
	case slices.Contains(w.named, m.Schema.Ref):
		w.printf("Its fields are those of %s.\n\n", objectLink(m.Schema.Ref))
	case len(rows) == 1:
		w.printf("%s: %s\n\n", rows[0][0], rows[0][1])
	default:
		w.table([]string{"field of the answer", "meaning"}, rows)
	}
}

// objects tells of the parts of answers that have a name.
func (w *writer) objects() {
	w.printf("## Objects in answers\n\nThe fields whose names do not say all.\n\n")
	for _, ref := range w.named {
		w.printf("### %s\n\n", refName(ref))
		s := w.schema(schema{Ref: ref})
		if s.Description != "" {
			w.printf("%s\n\n", oneLine(s.Description))
		}
		w.table([]string{"field", "meaning"}, w.answers(s, ""))
	}
}

// first is the first example, or the only one.
func (m media) first() literal {
	if len(m.Examples) > 0 {
		return m.Examples[0].value.Value
	}
	return m.Example
}

func (w *writer) json(l literal) {
	text, err := pretty(l)
	require.NoError(w.t, err)
	w.printf("```json\n%s\n```\n\n", text)
}

// statuses lists those that are explained at the end, and tells of others.
func (w *writer) statuses(r route) {
	var common []string
	for _, s := range slices.SortedFunc(slices.Values(r.Responses), func(a, b named[response]) int { return strings.Compare(a.name, b.name) }) {
		media, _ := s.value.Content.get("application/json")
		switch {
		case s.name == "200":
		case s.value.Ref != "" || media.Schema.AnyOf != nil:
			common = append(common, s.name)
		default:
			w.printf("- %s: %s\n", s.name, oneLine(s.value.Description))
		}
	}
	if common != nil {
		w.printf("- [Errors](#errors): %s\n", strings.Join(common, ", "))
	}
	if len(r.Responses) > 1 {
		w.printf("\n")
	}
}

func (w *writer) keys() {
	w.printf("A key is sent in one of these headers:\n\n")
	for _, s := range w.Components.SecuritySchemes {
		if s.value.Name == "" {
			w.printf("- `%s`\n", s.value.Description)
			continue
		}
		w.printf("- `%s: KEY`", s.value.Name)
		if s.value.Description != "" {
			w.printf(": %s", s.value.Description)
		}
		w.printf("\n")
	}
	w.printf("\n")
	w.table([]string{"for", "who may call"}, [][]string{
		{"everybody", "no key is needed"},
		{"callers", "a key, for the models that it may use; without one, what `anonymous` of [auth.yaml](configuration.md) allows"},
		{"admins", "a key with `admin: true`"},
		{"whom `server.metrics` names", "`open`: everybody, `key`: who has a key, whatever models it is for, `off`: nobody"},
	})
}

func (w *writer) requestHeaders() {
	var rows [][]string
	for _, p := range w.Components.Parameters {
		if p.value.In == "header" {
			rows = append(rows, []string{"`" + p.value.Name + "`", w.typeOf(p.value.Schema), oneLine(p.value.Description)})
		}
	}
	w.table([]string{"header of a request", "type", "meaning"}, rows)
}

// answerHeaders tells of each header, and of the tags whose routes send it.
func (w *writer) answerHeaders() {
	var names []string
	where, meaning := map[string][]string{}, map[string]string{}
	for _, r := range w.routes {
		for _, answer := range r.Responses {
			for _, h := range w.response(answer.value).Headers {
				if !slices.Contains(names, h.name) {
					names = append(names, h.name)
				}
				meaning[h.name] = oneLine(w.header(h.value).Description)
				if !slices.Contains(where[h.name], r.Tags[0]) {
					where[h.name] = append(where[h.name], r.Tags[0])
				}
			}
		}
	}
	var rows [][]string
	for _, name := range names {
		tags := strings.Join(where[name], ", ")
		if len(where[name]) == len(w.Tags) {
			tags = "all"
		}
		rows = append(rows, []string{"`" + name + "`", tags, meaning[name]})
	}
	w.table([]string{"header of an answer", "routes", "meaning"}, rows)
}

func (w *writer) errors() {
	w.printf("### Error\n\n")
	refusal, _ := w.Components.Responses.get("BadRequest")
	w.json(refusal.Content[0].value.Example)
	var rows [][]string
	for _, c := range w.codes().Codes {
		rows = append(rows, []string{c.value.Status, "`" + c.name + "`", oneLine(c.value.When), oneLine(c.value.Do)})
	}
	w.table([]string{"status", "code", "when", "what to do"}, rows)
	w.printf("### TEIError\n\n")
	refusal, _ = w.Components.Responses.get("TEIValidation")
	w.json(refusal.Content[0].value.Example)
	w.printf("What to do is told above; 422 and 424 are 400 there.\n\n")
	w.table([]string{"status", "`error_type`", "when"}, w.teiErrors())
}

// teiErrors are the answers of TEI's shape, by status.
func (w *writer) teiErrors() (rows [][]string) {
	seen := map[string]bool{}
	for _, r := range w.routes {
		for _, answer := range r.Responses {
			name := refName(answer.value.Ref)
			if !strings.HasPrefix(name, "TEI") || seen[name] {
				continue
			}
			seen[name] = true
			refusal := w.response(answer.value)
			kinds := regexp.MustCompile("`[A-Z][a-z]+`").FindAllString(refusal.Description, -1)
			if kinds == nil {
				kind := regexp.MustCompile(`"error_type":"(\w+)"`).FindStringSubmatch(string(refusal.Content[0].value.Example))
				kinds = []string{"`" + kind[1] + "`"}
			}
			rows = append(rows, []string{answer.name, strings.Join(kinds, ", "), oneLine(refusal.Description)})
		}
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return rows
}
