package config

import (
	"reflect"
	"slices"
	"strings"
)

// Restart lists the keys whose values differ between two configurations and that a running
// server cannot take over, by path: those of the configuration file but for models and files,
// the store of the rate limits as rate_limits.store, and routing.containers.host and .instance. Paths of files are compared, not what
// is in them.
func Restart(before, after *Config) []string {
	var all []string
	for _, f := range root.leaves(false) {
		was, is := reflect.ValueOf(valueOf(before, f.path)), reflect.ValueOf(valueOf(after, f.path))
		noneLeft := f.isList() && was.Len() == 0 && is.Len() == 0 // nil or empty
		byPort := f.path == instancePath && before.ownInstance() && after.ownInstance()
		if !reloads(f.path) && !noneLeft && !byPort && !reflect.DeepEqual(was.Interface(), is.Interface()) {
			all = append(all, f.path)
		}
	}
	return all
}

// held are the keys of the other files that a running server keeps.
var held = []string{"rate_limits.store", containersPath + ".host", instancePath}

// reloads says whether a running server takes a key over.
func reloads(path string) bool {
	return within(path, "files") || documentOf(path).path != "" && !slices.Contains(held, path)
}

// valueOf is the value of a field outside lists, by its path.
func valueOf(cfg *Config, path string) any {
	v, s := reflect.ValueOf(cfg).Elem(), root
	for _, key := range strings.Split(path, ".") {
		f := s.find(key)
		v, s = v.Field(f.index), f.sub
	}
	return v.Interface()
}
