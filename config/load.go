package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/viper"
)

// DefaultFile is read when no other file is named, below the working directory.
const DefaultFile = "configs/server.yaml"

// maxFileBytes bounds what is read as a configuration.
const maxFileBytes = 1 << 20

// LoadOptions says where a configuration comes from.
type LoadOptions struct {
	// File is the file that a flag names. Empty: the one QUADRATE_CONFIG names, else DefaultFile.
	File string
	// Environ is the process's environment as os.Environ gives it.
	Environ []string
	// Dir is the working directory: .env is looked for in it, and relative paths start
	// from it. Empty: the process's own.
	Dir string
}

// loader holds what one Load gathers.
type loader struct {
	dir      string
	env      environment
	file     string
	layers   *viper.Viper
	settings map[string]setting // of the file, and what RERANK_ names set over it
	problems LoadError
}

// Load reads the configuration. The file must exist, the default one too. A failure is a
// LoadError with everything that is wrong.
func Load(opts LoadOptions) (*Config, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("config: working directory: %w", err)
	}
	l := &loader{dir: dir, layers: viper.New(), settings: map[string]setting{}}
	l.env = readEnvironment(opts, &l.problems)
	l.env.checkNames(&l.problems)
	readable := l.readFile(opts.File)
	l.readLayers()

	cfg := &Config{File: l.file}
	l.fill(reflect.ValueOf(cfg).Elem(), root, "", l.layered)
	if readable {
		l.applyRerank(cfg)
		nameFolders(cfg.Models)
		l.validate(cfg)
	}
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	l.resolvePaths(cfg)
	return cfg, nil
}

// readFile finds and reads the file; it reports whether there was one that is YAML.
func (l *loader) readFile(flag string) bool {
	name, namedBy := flag, "-config"
	if v, ok := l.env[configName]; ok && flag == "" {
		name, namedBy = v.value, configName
		if name == "" {
			l.problems.add(v.from, "", "is empty; name a file, or unset it to read %s", DefaultFile)
			return false
		}
	}
	if name == "" {
		name, namedBy = DefaultFile, ""
	}
	l.file = name
	text, err := readBounded(l.abs(name))
	if err != nil {
		l.problems.add(origin{file: name}, "", "cannot be read: %v; %s", err, fileHint(l.dir, namedBy))
		return false
	}
	r := &reader{file: name, lookup: l.env.lookup, problems: &l.problems, settings: l.settings}
	return r.document(text)
}

func fileHint(dir, namedBy string) string {
	if namedBy == "" {
		return fmt.Sprintf("it is looked for in %s: start the server elsewhere, or name another file with -config or %s", dir, configName)
	}
	return namedBy + " names it"
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case len(text) > maxFileBytes:
		return nil, fmt.Errorf("it is longer than %s", Bytes(maxFileBytes))
	}
	return text, nil
}

// readLayers gives viper the defaults, the file's settings and the environment's.
func (l *loader) readLayers() {
	inFile := map[string]any{}
	for _, f := range root.leaves(false) {
		l.layers.SetDefault(f.path, setting{value: f.fallback()})
		if s, ok := l.settings[f.path]; ok && s.value != nil {
			nest(inFile, f.path, s)
		}
		if s, ok := l.fromEnvironment(f); ok {
			l.layers.Set(f.path, s)
		}
	}
	if err := l.layers.MergeConfigMap(inFile); err != nil {
		panic(fmt.Sprintf("config: viper refuses a map: %v", err))
	}
}

func (l *loader) fromEnvironment(f *field) (setting, bool) {
	v, ok := l.env.first(f.env)
	if !ok {
		return setting{}, false
	}
	value, err := f.parse(v.value)
	if err != nil {
		l.problems.add(v.from, f.path, "%q %v", v.value, err)
		return setting{}, false
	}
	return setting{value: value, from: v.from}, true
}

// nest puts a value at a dotted path of nested maps, the only shape that viper merges.
func nest(m map[string]any, path string, value any) {
	key, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		m[key] = value
		return
	}
	inner, ok := m[key].(map[string]any)
	if !ok {
		inner = map[string]any{}
		m[key] = inner
	}
	nest(inner, rest, value)
}

// layered is the value in force of a key that the environment may set.
func (l *loader) layered(_ *field, path string) any { return l.layers.Get(path).(setting).value }

// listed is the value of a key inside a list, which comes from the file alone.
func (l *loader) listed(f *field, path string) any {
	if s, ok := l.settings[path]; ok && s.value != nil {
		return s.value
	}
	return f.fallback()
}

// fill writes the values below path into the struct that s describes.
func (l *loader) fill(dst reflect.Value, s *section, path string, get func(*field, string) any) {
	for _, f := range s.fields {
		at, into := join(path, f.key), dst.Field(f.index)
		switch {
		case f.sub == nil:
			into.Set(reflect.ValueOf(get(f, at)))
		case f.isList():
			n, _ := l.settings[at].value.(int)
			into.Set(reflect.MakeSlice(f.typ, n, n))
			for i := range n {
				l.fill(into.Index(i), f.sub, fmt.Sprintf("%s[%d]", at, i), l.listed)
			}
		default:
			l.fill(into, f.sub, at, get)
		}
	}
}

// origin is where the value in force at path was written; failing that, where what holds
// it was.
func (l *loader) origin(path string) origin {
	if s, ok := l.layers.Get(path).(setting); ok && s.from != (origin{}) {
		return s.from
	}
	for path != "" {
		if s, ok := l.settings[path]; ok {
			return s.from
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return origin{file: l.file}
}

// nameFolders gives a model without a path the folder of its name.
func nameFolders(list []Model) {
	for i := range list {
		if list[i].Path == "" {
			list[i].Path = path.Base(list[i].Name)
		}
	}
}

// resolvePaths makes paths absolute. A library without a folder is left to the system's
// own search.
func (l *loader) resolvePaths(cfg *Config) {
	paths := []*string{&cfg.ModelsDir, &cfg.Runtime.OpenVINO, &cfg.Runtime.TensorRTCache, &cfg.Server.TLS.Cert, &cfg.Server.TLS.Key}
	if strings.ContainsRune(cfg.Runtime.Library, filepath.Separator) {
		paths = append(paths, &cfg.Runtime.Library)
	}
	for _, p := range paths {
		if *p != "" {
			*p = l.abs(*p)
		}
	}
}

func (l *loader) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}
