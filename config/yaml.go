package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is a parsed value and where it was written.
type setting struct {
	value any
	from  origin
}

// reader takes the settings out of one YAML document. It goes by the schema, so a document
// is read once, with every key's own case and line.
type reader struct {
	file     string
	schema   document
	lookup   func(name string) (string, bool)
	secret   func(text string) (string, error)
	problems *LoadError
	// settings holds values by path. A mapping or list has an entry for its place: the
	// value of a list of mappings is its length, that of its elements whether it could be read.
	settings map[string]setting
}

func (r *reader) at(n *yaml.Node) origin { return origin{file: r.file, line: n.Line} }

// document reads text against its schema; it reports whether there was one document to read.
// Only the configuration file must say something.
func (r *reader) document(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]) {
		if r.schema.path == "" {
			r.problems.add(origin{file: r.file}, "", "the file is empty; %s is a working example", DefaultFile)
		}
		return r.schema.path != ""
	}
	if err == nil {
		err = decoder.Decode(&next)
	}
	switch {
	case errors.Is(err, io.EOF):
		return r.mapping(doc.Content[0], r.schema.schema, r.schema.path)
	case err != nil:
		r.syntax(text, err)
	default:
		r.problems.add(r.at(&next), "", "a second YAML document begins here; one file holds one document")
	}
	return false
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports text that is no YAML. Tabs are the usual reason, and the parser's own
// words for them help nobody.
func (r *reader) syntax(text []byte, err error) {
	for i, line := range strings.Split(string(text), "\n") {
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
			r.problems.add(origin{file: r.file, line: i + 1}, "", "a tab indents this line; YAML takes spaces only")
			return
		}
	}
	message := err.Error()
	found := yamlErrorLine.FindStringSubmatch(message)
	from := origin{file: r.file}
	if found != nil {
		from.line, _ = strconv.Atoi(found[1])
		message = message[len(found[0]):]
	}
	r.problems.add(from, "", "not valid YAML: %s", message)
}

// mapping reads the keys of a mapping, which may be empty; it reports whether n is one.
func (r *reader) mapping(n *yaml.Node, s *section, path string) bool {
	n = target(n)
	if isNull(n) {
		return true
	}
	if n.Kind != yaml.MappingNode {
		r.problems.add(r.at(n), path, "is %s; keys belong here: %s", describe(n), strings.Join(s.keys(), ", "))
		return false
	}
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			r.problems.add(r.at(key), join(path, key.Value), "is written twice; first on line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		if f := s.find(key.Value); f != nil && key.Kind == yaml.ScalarNode {
			r.field(key, value, f, join(path, f.key))
			continue
		}
		r.problems.add(r.at(key), path, "%s", r.unknownKey(key, s, path))
	}
	return true
}

func (r *reader) field(key, value *yaml.Node, f *field, path string) {
	value = target(value)
	r.settings[path] = setting{from: r.at(key)}
	switch {
	case f.sub == nil && f.isList():
		r.list(value, f, path)
	case f.sub == nil:
		r.scalar(value, f, path)
	case f.isList():
		r.elements(key, value, f, path)
	default:
		r.mapping(value, f.sub, path)
	}
}

func (r *reader) scalar(n *yaml.Node, f *field, path string) {
	if v, ok := r.value(n, f, path); ok {
		r.settings[path] = setting{value: v, from: r.at(n)}
	}
}

func (r *reader) list(n *yaml.Node, f *field, path string) {
	items, ok := r.sequence(n, path)
	if !ok {
		return
	}
	var values []any
	for i, item := range items {
		if v, ok := r.value(target(item), f, fmt.Sprintf("%s[%d]", path, i)); ok {
			values = append(values, v)
		}
	}
	if len(values) == len(items) {
		r.settings[path] = setting{value: f.listOf(values), from: r.at(n)}
	}
}

func (r *reader) elements(key, n *yaml.Node, f *field, path string) {
	items, _ := r.sequence(n, path)
	r.settings[path] = setting{value: len(items), from: r.at(key)}
	for i, item := range items {
		element := fmt.Sprintf("%s[%d]", path, i)
		readable := r.mapping(item, f.sub, element)
		r.settings[element] = setting{value: readable, from: r.at(item)}
	}
}

func (r *reader) sequence(n *yaml.Node, path string) (items []*yaml.Node, ok bool) {
	if isNull(n) {
		return nil, true
	}
	if n.Kind != yaml.SequenceNode {
		r.problems.add(r.at(n), path, "is %s; a list belongs here, such as [a, b]", describe(n))
		return nil, false
	}
	return n.Content, true
}

func (r *reader) value(n *yaml.Node, f *field, path string) (v any, ok bool) {
	switch {
	case isNull(n):
		r.problems.add(r.at(n), path, "has no value; write one, or leave the key out")
		return nil, false
	case n.Kind != yaml.ScalarNode:
		r.problems.add(r.at(n), path, "is %s; a single value belongs here", describe(n))
		return nil, false
	}
	text, err := expand(n.Value, r.lookup)
	if err == nil && f.secret {
		text, err = r.secret(text)
	}
	if err == nil {
		v, err = f.parse(text)
	}
	if err != nil {
		// n.Value and not text: what a variable holds may be a secret.
		r.problems.add(r.at(n), path, "%s%v", f.quoted(n.Value), err)
		return nil, false
	}
	return v, true
}

func (r *reader) unknownKey(key *yaml.Node, s *section, path string) string {
	name := key.Value
	lower := strings.ToLower(name)
	switch {
	case key.Kind != yaml.ScalarNode:
		return "a key is " + describe(key) + "; keys are plain words"
	case name == "<<":
		return "merge keys (<<) are not read; write the keys out"
	case s.find(lower) != nil:
		return fmt.Sprintf("unknown key %q: keys are in lower case, write %s", name, lower)
	}
	n := nearest(name, s.keys())
	if home := r.schema.home(lower); home != "" && distance(lower, n) > 1 {
		return fmt.Sprintf("unknown key %q here: did you mean %s?", name, home)
	}
	if n != "" {
		return fmt.Sprintf("unknown key %q: did you mean %s?", name, n)
	}
	for _, d := range documents {
		inList := d.named == "" && path != r.schema.path // where keys of the configuration file are far
		if home := d.home(lower); home != "" && !inList {
			return fmt.Sprintf("unknown key %q here: did you mean %s of %s?", name, home, d.file())
		}
	}
	return fmt.Sprintf("unknown key %q: allowed here are %s", name, strings.Join(s.keys(), ", "))
}

// home is the first place of a key in the document, or empty.
func (d document) home(key string) string {
	for _, f := range d.schema.leaves(true) {
		if f.key == key {
			return local(f.path)
		}
	}
	if d.path != "" && d.schema.find(key) != nil {
		return key
	}
	return ""
}

// target follows an alias to its anchor.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("the single value %q", n.Value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
