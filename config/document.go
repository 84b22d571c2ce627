package config

import (
	"path"
	"strings"
)

// document is the schema of one file.
type document struct {
	// path is where its keys are among all keys; empty for the configuration file itself.
	path string
	// named is the key that names the file; empty for the configuration file itself.
	named  string
	schema *section
}

// documents describes the configuration file, and then those that it names.
var documents = documentsOf(root)

func documentsOf(whole *section) []document {
	main := &section{}
	all := []document{{schema: main}}
	for _, f := range whole.fields {
		if f.file == "" {
			main.fields = append(main.fields, f)
			continue
		}
		all = append(all, document{path: f.key, named: f.file, schema: f.sub})
	}
	return all
}

// documentOf is the document that a path leads into.
func documentOf(at string) document {
	for _, d := range documents[1:] {
		if within(at, d.path) {
			return d
		}
	}
	return documents[0]
}

// within reports whether a path is another one, or leads into it.
func within(at, outer string) bool {
	rest, ok := strings.CutPrefix(at, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// local is a path as it is inside its own file.
func local(at string) string {
	return strings.TrimPrefix(strings.TrimPrefix(at, documentOf(at).path), ".")
}

// file is the usual name of the document's file, without its folder.
func (d document) file() string {
	if d.named == "" {
		return path.Base(DefaultFile)
	}
	return path.Base(root.leaf(d.named).def)
}
