package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// section is the schema of one mapping, read from a struct's tags.
type section struct {
	fields []*field
}

// field is the schema of one key.
type field struct {
	key string
	// path is the key's whole path, with [] for any element of a list: models[].batcher.delay.
	path  string
	index int
	typ   reflect.Type
	// sub is the schema of a mapping, or of each element of a list of mappings.
	sub *section

	def, need, doc string
	enum           []string
	// or is the ending of values that are allowed beside those of enum.
	or       string
	min, max string
	// file is the key that names the file this section is in; empty: where its parent is.
	file string
	// secret keeps the value out of errors, and lets it be in a file of its own.
	secret bool
	// env names the environment variables that set the key, first wins; empty for lists
	// and for what is in a list.
	env []string
}

// root is the schema of all files: of the configuration file, and of those that it names.
var root = schemaOf(reflect.TypeFor[Config](), "", true)

func schemaOf(t reflect.Type, prefix string, named bool) *section {
	s := &section{}
	for i := range t.NumField() {
		sf := t.Field(i)
		key, ok := sf.Tag.Lookup("key")
		if !ok {
			continue
		}
		f := &field{key: key, path: prefix + key, index: i, typ: sf.Type, def: sf.Tag.Get("def"),
			need: sf.Tag.Get("need"), doc: sf.Tag.Get("doc"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
			file: sf.Tag.Get("file"), secret: sf.Tag.Get("secret") == "true"}
		if enum, ok := sf.Tag.Lookup("enum"); ok {
			f.enum, f.or = strings.Split(enum, "|"), sf.Tag.Get("or")
		}
		switch {
		case f.isList() && sf.Type.Elem().Kind() == reflect.Struct:
			f.sub = schemaOf(sf.Type.Elem(), f.path+"[].", false)
		case sf.Type.Kind() == reflect.Struct && sf.Type != typeAutoDuration:
			f.sub = schemaOf(sf.Type, f.path+".", named)
		case named && !f.isList():
			f.env = append(f.env, envName(f.path))
			f.env = append(f.env, strings.Fields(sf.Tag.Get("env")+" "+sf.Tag.Get("was"))...)
		}
		s.fields = append(s.fields, f)
	}
	return s
}

// envName is the environment variable of a path: server.port is QUADRATE_SERVER_PORT.
func envName(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func (f *field) isList() bool { return f.typ.Kind() == reflect.Slice }

// find returns the field of a key, or nil.
func (s *section) find(key string) *field {
	for _, f := range s.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

// leaf returns the field at a path without lists, which must exist.
func (s *section) leaf(path string) *field {
	key, rest, deeper := strings.Cut(path, ".")
	f := s.find(key)
	if deeper {
		return f.sub.leaf(rest)
	}
	return f
}

func (s *section) keys() []string {
	keys := make([]string, len(s.fields))
	for i, f := range s.fields {
		keys[i] = f.key
	}
	return keys
}

// leaves lists the fields below s that hold values, in the struct's order. What is in lists
// of mappings comes only with elements.
func (s *section) leaves(elements bool) []*field {
	var all []*field
	for _, f := range s.fields {
		switch {
		case f.sub == nil:
			all = append(all, f)
		case !f.isList() || elements:
			all = append(all, f.sub.leaves(elements)...)
		}
	}
	return all
}

// lists are the paths of the lists of mappings below s, but for those within others.
func (s *section) lists() []string {
	var all []string
	for _, f := range s.fields {
		switch {
		case f.sub != nil && f.isList():
			all = append(all, f.path)
		case f.sub != nil:
			all = append(all, f.sub.lists()...)
		}
	}
	return all
}

// parse reads text as the field's value, or as one element of a list's, and checks its
// bounds. Its error continues a sentence that begins with the text.
func (f *field) parse(text string) (any, error) {
	t := f.typ
	if f.isList() {
		t = t.Elem()
	}
	v, err := parseValue(t, text)
	if err != nil {
		return nil, err
	}
	if f.enum != nil && !slices.Contains(f.enum, text) && (f.or == "" || !strings.HasSuffix(text, f.or)) {
		return nil, f.notAllowed()
	}
	if n, ok := magnitude(v); ok {
		return v, f.bounded(t, n)
	}
	return v, nil
}

func (f *field) notAllowed() error {
	allowed := slices.DeleteFunc(slices.Clone(f.enum), func(s string) bool { return s == "" })
	list := strings.Join(allowed, ", ")
	if f.or != "" {
		list += ", or what ends in " + f.or
	}
	if len(allowed) < len(f.enum) {
		list += ", or empty"
	}
	return fmt.Errorf("is not allowed: allowed are %s", list)
}

func (f *field) bounded(t reflect.Type, n int64) error {
	least := cmp.Or(f.min, "0")
	switch {
	case f.max != "" && (n < mustMagnitude(t, least) || n > mustMagnitude(t, f.max)):
		return fmt.Errorf("is not between %s and %s", least, f.max)
	case n < mustMagnitude(t, least):
		return fmt.Errorf("is too small: the least is %s", least)
	}
	return nil
}

func mustMagnitude(t reflect.Type, text string) int64 {
	v, err := parseValue(t, text)
	if err != nil {
		panic(fmt.Sprintf("config: bound %q of a %s %v", text, t, err))
	}
	n, _ := magnitude(v)
	return n
}

// fallback is the value of a key that is not set.
func (f *field) fallback() any {
	if f.def == "" {
		return reflect.Zero(f.typ).Interface()
	}
	v, err := f.parse(f.def)
	if err != nil {
		panic(fmt.Sprintf("config: default of %s: %q %v", f.path, f.def, err))
	}
	if f.isList() {
		return f.listOf([]any{v})
	}
	return v
}

// listOf makes the field's list of its parsed elements.
func (f *field) listOf(elements []any) any {
	list := reflect.MakeSlice(f.typ, 0, len(elements))
	for _, e := range elements {
		list = reflect.Append(list, reflect.ValueOf(e))
	}
	return list.Interface()
}
