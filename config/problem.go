package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// File and Line say where; Line is 0 when it is not about one line, File is empty
	// for the process's own environment.
	File string
	Line int
	// Env is the environment variable at fault, if one is.
	Env string
	// Path is the setting: models[1].batcher.max_items. Empty for a whole file. In the files
	// beside the configuration file it starts within that file.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// String is "file:line: path: message", with the environment variable's name where that
// is the place.
func (p Problem) String() string {
	var parts []string
	switch {
	case p.File != "" && p.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", p.File, p.Line))
	case p.File != "":
		parts = append(parts, p.File)
	}
	for _, s := range []string{p.Env, p.Path, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// LoadError is the error of Load: all that is wrong, by place.
type LoadError []Problem

// Error has one line for each problem.
func (ps LoadError) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps *LoadError) add(from origin, path, format string, args ...any) {
	*ps = append(*ps, Problem{File: from.file, Line: from.line, Env: from.env, Path: path, Message: fmt.Sprintf(format, args...)})
}

// err returns nil when there are none, else the problems in order of place: files before
// the environment, lines ascending. Paths, which are among all keys until now, become those
// within their files.
func (ps LoadError) err() error {
	if len(ps) == 0 {
		return nil
	}
	for i, p := range ps {
		if p.Env == "" {
			ps[i].Path = local(p.Path)
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Env, b.Env),
			cmp.Compare(a.Path, b.Path),
		)
	})
	return ps
}

func rank(p Problem) int {
	switch {
	case p.Env == "":
		return 0
	case p.File != "":
		return 1
	}
	return 2
}

// origin is where a value was written. The zero origin is a built-in default.
type origin struct {
	file string
	line int
	env  string
}
