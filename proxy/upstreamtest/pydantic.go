package upstreamtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// pydantic is a body as servers written in Python check it: all problems are found, each with
// its place.
type pydantic struct {
	object
	x *exchange
	// loc is where the body's fields are, in JSON: body, or body and a variant of it.
	loc      []string
	problems []pydanticError
}

// pydanticError is one problem. All but message are JSON or, kind, plain.
type pydanticError struct {
	kind    string
	loc     []string
	message string
	input   string
	context string
}

// readPydantic reads a body whose fields are at loc.
func readPydantic(x *exchange, loc ...string) *pydantic {
	p := &pydantic{x: x}
	for _, part := range loc {
		p.loc = append(p.loc, quote(part))
	}
	if blank(x.body) {
		p.add("missing", p.loc[:1], "Field required", "null", "")
		return p
	}
	if !x.isJSON() {
		p.notObject(quote(string(x.body)))
		return p
	}
	var err error
	p.object, err = parseObject(x.body, false)
	var wrong *bodyError
	if !errors.As(err, &wrong) {
		return p
	}
	if wrong.notObject {
		p.notObject(compact(x.body))
		return p
	}
	reason := "Expecting value"
	if !wrong.eof {
		reason = "Expecting ',' delimiter"
	}
	p.add("json_invalid", []string{p.loc[0], fmt.Sprint(wrong.at)}, "JSON decode error", "{}", fmt.Sprintf(`{"error":%s}`, quote(reason)))
	return p
}

func (p *pydantic) notObject(input string) {
	p.add("model_attributes_type", p.loc, "Input should be a valid dictionary or object to extract fields from", input, "")
}

func (p *pydantic) add(kind string, loc []string, message, input, context string) {
	p.problems = append(p.problems, pydanticError{kind: kind, loc: slices.Clone(loc), message: message, input: input, context: context})
}

// at is the place of a field, or of what is in it.
func (p *pydantic) at(parts ...any) []string {
	loc := slices.Clone(p.loc)
	for _, part := range parts {
		if s, is := part.(string); is {
			loc = append(loc, quote(s))
			continue
		}
		loc = append(loc, fmt.Sprint(part))
	}
	return loc
}

func compact(raw []byte) string {
	var buf bytes.Buffer
	if json.Compact(&buf, raw) != nil {
		return "null"
	}
	return buf.String()
}

// need gives a field that must be there; the second result is whether it is.
func (p *pydantic) need(name string) (json.RawMessage, bool) {
	f, is := p.fields[name]
	if !is && len(p.problems) == 0 || !is && p.names != nil {
		p.add("missing", p.at(name), "Field required", compact(p.x.body), "")
	}
	return f.raw, is
}

// text reads a string; one that is not needed may be null.
func (p *pydantic) text(name string, needed bool) string {
	raw, is := p.optional(name, needed)
	if !is {
		return ""
	}
	text, is := as[string](raw)
	if !is {
		p.add("string_type", p.at(name), "Input should be a valid string", compact(raw), "")
	}
	return text
}

func (p *pydantic) optional(name string, needed bool) (json.RawMessage, bool) {
	if needed {
		return p.need(name)
	}
	f, is := p.given(name)
	return f.raw, is
}

// texts reads a list of strings of at least one.
func (p *pydantic) texts(name string) []string {
	raw, is := p.need(name)
	if !is {
		return nil
	}
	list, is := items(raw)
	if !is {
		p.add("list_type", p.at(name), "Input should be a valid list", compact(raw), "")
		return nil
	}
	return p.listOfTexts(list, raw, name)
}

func (p *pydantic) listOfTexts(list []json.RawMessage, raw []byte, at ...any) []string {
	var texts []string
	for i, item := range list {
		text, is := as[string](item)
		if !is {
			p.add("string_type", p.at(append(slices.Clone(at), i)...), "Input should be a valid string", compact(item), "")
		}
		texts = append(texts, text)
	}
	p.count(len(list), 0, raw, at...)
	return texts
}

// count checks that a list has items, and not above limit; 0: no limit.
func (p *pydantic) count(n, limit int, raw []byte, at ...any) {
	switch {
	case n == 0:
		p.add("too_short", p.at(at...), "List should have at least 1 item after validation, not 0", compact(raw), `{"field_type":"List","min_length":1,"actual_length":0}`)
	case limit > 0 && n > limit:
		p.add("too_long", p.at(at...), fmt.Sprintf("List should have at most %d items after validation, not %d", limit, n), "[]", fmt.Sprintf(`{"field_type":"List","max_length":%d,"actual_length":%d}`, limit, n))
	}
}

// boolean reads an optional field.
func (p *pydantic) boolean(name string, otherwise bool) bool {
	f, is := p.given(name)
	if !is {
		return otherwise
	}
	v, is := as[bool](f.raw)
	if !is {
		p.add("bool_parsing", p.at(name), "Input should be a valid boolean, unable to interpret input", compact(f.raw), "")
	}
	return v
}

// integer reads an optional field, which must not be below least; 0: it is not there.
func (p *pydantic) integer(name string, least int) int {
	f, is := p.given(name)
	if !is {
		return 0
	}
	n, is := as[int](f.raw)
	switch {
	case !is:
		p.add("int_parsing", p.at(name), "Input should be a valid integer, unable to parse string as an integer", compact(f.raw), "")
	case n < least:
		p.add("greater_than_equal", p.at(name), fmt.Sprintf("Input should be greater than or equal to %d", least), compact(f.raw), fmt.Sprintf(`{"ge":%d}`, least))
	}
	return n
}

// choice reads an optional field that has one of a few values.
func (p *pydantic) choice(name string, values ...string) string {
	f, is := p.given(name)
	if !is {
		return values[0]
	}
	v, is := as[string](f.raw)
	if !is || !slices.Contains(values, v) {
		quoted := make([]string, len(values))
		for i, value := range values {
			quoted[i] = "'" + value + "'"
		}
		expected := strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
		p.add("enum", p.at(name), "Input should be "+expected, compact(f.raw), fmt.Sprintf(`{"expected":%s}`, quote(expected)))
	}
	return v
}

// detail is the problems as FastAPI shows them.
func (p *pydantic) detail() []byte {
	b := []byte(`{"detail":[`)
	for i, e := range p.problems {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"type":%q,"loc":[%s],"msg":%s,"input":%s`, e.kind, strings.Join(e.loc, ","), quote(e.message), e.input)
		if e.context != "" {
			b = fmt.Appendf(b, `,"ctx":%s`, e.context)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// python is the problems as Python's repr has them, which vLLM puts into its message.
func (p *pydantic) python() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d validation error", len(p.problems))
	if len(p.problems) > 1 {
		b.WriteByte('s')
	}
	b.WriteByte(':')
	for _, e := range p.problems {
		loc := pythonOf([]byte("[" + strings.Join(e.loc, ",") + "]"))
		fmt.Fprintf(&b, "\n  {'type': '%s', 'loc': (%s), 'msg': %s, 'input': %s", e.kind, loc[1:len(loc)-1], pythonOf([]byte(quote(e.message))), pythonOf([]byte(e.input)))
		if e.context != "" {
			fmt.Fprintf(&b, ", 'ctx': %s", pythonOf([]byte(e.context)))
		}
		b.WriteByte('}')
	}
	return b.String()
}

// place is where the first problem is, with points between.
func (p *pydantic) place() string {
	return strings.ReplaceAll(strings.Join(p.problems[0].loc, "."), `"`, "")
}

// pythonOf is JSON as Python's repr has it, its fields in their order.
func pythonOf(raw []byte) string {
	switch first(raw) {
	case 'n':
		return "None"
	case 't':
		return "True"
	case 'f':
		return "False"
	case '"':
		text, _ := as[string](raw)
		if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
			return `"` + text + `"`
		}
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(text) + "'"
	case '[':
		list, _ := items(raw)
		parts := make([]string, len(list))
		for i, item := range list {
			parts[i] = pythonOf(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case '{':
		o, _ := parseObject(raw, false)
		parts := make([]string, len(o.names))
		for i, name := range o.names {
			parts[i] = pythonOf([]byte(quote(name))) + ": " + pythonOf(o.fields[name].raw)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return string(raw)
	}
}
