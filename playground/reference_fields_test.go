package playground

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fields are the rows for an object's members, those of objects below it with a dot, and those of
// a list's objects with [] before it. Names of one thing that follow each other share a row.
func (d *description) fields(s schema, prefix string) (rows [][]string) {
	for _, f := range s.Properties {
		value := d.schema(f.value)
		standard := ""
		switch {
		case slices.Contains(s.Required, f.name):
			standard = "required"
		case value.Default != "":
			standard = value.Default.code()
		}
		row := []string{"`" + prefix + f.name + "`", d.typeOf(value), standard, oneLine(value.Description)}
		if last := len(rows) - 1; last >= 0 && row[3] != "" && slices.Equal(rows[last][1:], row[1:]) {
			rows[last][0] += ", " + row[0]
			continue
		}
		rows = append(rows, row)
		below, path := d.below(value, prefix+f.name)
		rows = append(rows, d.fields(below, path)...)
	}
	return rows
}

// below is the object that a value, or each item of a list, is.
func (d *description) below(s schema, path string) (object schema, prefix string) {
	for s.Items != nil {
		s, path = d.schema(*s.Items), path+"[]"
	}
	return s, path + "."
}

// answers are the members of an answer that the description says something about. Objects with a
// name are told of once, at the end of the page.
func (d *description) answers(s schema, prefix string) (rows [][]string) {
	for _, f := range d.schema(s).Properties {
		value := d.schema(f.value)
		below, path := d.below(value, prefix+f.name)
		text := oneLine(value.Description)
		if value.Enum != nil && text != "" {
			text = d.typeOf(value) + ". " + text
		}
		if d.isObject(below) {
			if value.Ref == below.Ref {
				text = ""
			}
			text = strings.TrimSpace(text + " " + objectLink(below.Ref))
			rows = append(rows, []string{"`" + strings.TrimSuffix(path, ".") + "`", text})
			continue
		}
		if text != "" {
			rows = append(rows, []string{"`" + prefix + f.name + "`", text})
		}
		rows = append(rows, d.answers(below, path)...)
	}
	return rows
}

// isObject tells whether a part of an answer has a name, and something to say of its members.
func (d *description) isObject(s schema) bool {
	return s.Ref != "" && s.Properties != nil && len(d.answers(s, "")) > 0
}

// objects are the parts of answers that have a name, in the order in which they are met.
func (d *description) objects(s schema) (refs []string) {
	for _, f := range d.schema(s).Properties {
		below, _ := d.below(d.schema(f.value), "")
		if d.isObject(below) {
			refs = append(refs, below.Ref)
		}
		refs = append(refs, d.objects(below)...)
	}
	return refs
}

func objectLink(ref string) string {
	return "[" + refName(ref) + "](#" + anchor(refName(ref)) + ")"
}

// typeOf is a value's type and its limits, in words.
func (d *description) typeOf(s schema) string {
	s = d.schema(s)
	switch {
	case s.AnyOf != nil:
		return d.oneOf(s.AnyOf)
	case s.Enum != nil:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Type == "array":
		return strings.TrimSpace("list of "+count(s)) + " " + d.plural(*s.Items)
	case s.Type == "":
		return "anything"
	}
	return s.Type + limits(s)
}

func (d *description) oneOf(list []schema) string {
	var names []string
	for _, s := range list {
		if name := d.typeOf(s); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "; ")
}

// plural is the type of a list's items. Their limits are left out: token ids fit a table badly.
func (d *description) plural(s schema) string {
	s = d.schema(s)
	switch {
	case s.AnyOf != nil:
		var names []string
		for _, one := range s.AnyOf {
			names = append(names, d.plural(one))
		}
		return strings.Join(names, " and ")
	case s.Enum != nil:
		return d.typeOf(s)
	case s.Type == "array":
		return "lists of " + d.plural(*s.Items)
	case s.Type == "":
		return "values"
	}
	return s.Type + "s"
}

// count is how many items a list may have.
func count(s schema) string {
	switch {
	case s.MinItems != nil && s.MaxItems != nil:
		return number(int64(*s.MinItems)) + " to " + number(int64(*s.MaxItems))
	case s.MaxItems != nil && *s.MaxItems == 0:
		return "no"
	case s.MaxItems != nil:
		return "at most " + number(int64(*s.MaxItems))
	case s.MinItems != nil && *s.MinItems > 1:
		return "at least " + number(int64(*s.MinItems))
	}
	return ""
}

func limits(s schema) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return " from " + number(*s.Minimum) + " to " + number(*s.Maximum)
	case s.Minimum != nil && s.ExclusiveMinimum:
		return " above " + number(*s.Minimum)
	case s.Minimum != nil:
		return " from " + number(*s.Minimum)
	case s.MinLength > 0:
		return ", not empty"
	}
	return ""
}

// number has a comma between thousands.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// pretty is a value as JSON, what fits a line on one.
func pretty(l literal) (string, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(l), &n); err != nil {
		return "", err
	}
	return indented(n.Content[0], ""), nil
}

// width is that of a line of an example.
const width = 96

func indented(n *yaml.Node, indent string) string {
	line := spaced(n)
	if len(indent)+len(line) <= width || n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return line
	}
	deeper, closing, step := indent+"  ", "]", 1
	if n.Kind == yaml.MappingNode {
		closing, step = "}", 2
	}
	var items []string
	for i := 0; i < len(n.Content); i += step {
		item := deeper + indented(n.Content[i+step-1], deeper)
		if step == 2 {
			item = deeper + spaced(n.Content[i]) + ": " + indented(n.Content[i+1], deeper)
		}
		items = append(items, item)
	}
	return fmt.Sprintf("%c\n%s\n%s%s", line[0], strings.Join(items, ",\n"), indent, closing)
}

// spaced is a value on one line, with a space after each comma and colon.
func spaced(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		var items []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			items = append(items, spaced(n.Content[i])+": "+spaced(n.Content[i+1]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case n.Kind == yaml.SequenceNode:
		var items []string
		for _, item := range n.Content {
			items = append(items, spaced(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case n.Style == yaml.DoubleQuotedStyle:
		return strconv.Quote(n.Value)
	}
	return n.Value
}
