package config

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
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
	dir string
	env environment
	// files holds the names of the files by their documents' paths, readable whether each is
	// YAML of the right kind.
	files    map[string]string
	readable map[string]bool
	// sources lists, as absolute paths, what was read or would be if it were there; sums are of
	// the content of what was.
	sources  []string
	sums     map[string][sha256.Size]byte
	layers   *viper.Viper
	settings map[string]setting // of the files, and what replaced names set over them
	// defaults holds, by a field's path, what is in place of its own default.
	defaults map[string]any
	problems LoadError
}

// Load reads the configuration. The file must exist, the default one too. A failure is a
// LoadError with everything that is wrong.
func Load(opts LoadOptions) (*Config, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("config: working directory: %w", err)
	}
	l := &loader{dir: dir, layers: viper.New(), settings: map[string]setting{}, files: map[string]string{},
		readable: map[string]bool{}, defaults: map[string]any{}, sums: map[string][sha256.Size]byte{}}
	l.env = l.readEnvironment(opts)
	l.env.checkNames(&l.problems)
	l.readable[""] = l.readMain(opts.File)
	l.readLayers(documents[0])
	for _, d := range documents[1:] {
		l.readable[d.path] = l.readBeside(d)
		l.readLayers(d)
	}

	cfg := &Config{File: l.files[""]}
	l.defaultTimeout()
	l.fill(reflect.ValueOf(cfg).Elem(), root, "", l.layered)
	l.applyNames(cfg)
	l.validate(cfg)
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	l.resolvePaths(cfg)
	l.readCertificates(cfg)
	trimURLs(cfg.Routing.Upstreams)
	resolveContainers(cfg)
	cfg.sources, cfg.sums = l.sources, l.sums
	return cfg, nil
}

// applyNames applies the names of the replaced systems that add and change entries of lists.
func (l *loader) applyNames(cfg *Config) {
	if l.readable["routing"] {
		l.applyRemotes(cfg)
	}
	if l.readable[""] && l.readable["routing"] {
		l.applyRerank(cfg)
	}
	nameFolders(cfg.Models)
	nameManagedModels(&cfg.Routing)
	nameUpstreamModels(cfg.Routing.Models)
}

// readMain finds and reads the configuration file; it reports whether there was one that is
// YAML.
func (l *loader) readMain(flag string) bool {
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
	l.files[""] = name
	text, err := l.readSource(l.abs(name))
	if err != nil {
		l.problems.add(origin{file: name}, "", "cannot be read: %v; %s", err, fileHint(l.dir, namedBy))
		return false
	}
	return l.read(documents[0], text)
}

// readBeside reads a file that the configuration file names; it reports whether what there is
// can be used. A default file may be absent.
func (l *loader) readBeside(d document) bool {
	named := l.layers.Get(d.named).(setting)
	name := named.value.(string)
	l.files[d.path] = name
	if name == "" {
		return true
	}
	text, err := l.readSource(l.abs(name))
	switch {
	case errors.Is(err, fs.ErrNotExist) && named.from == (origin{}):
		return true
	case err != nil:
		l.problems.add(origin{file: name}, "", "cannot be read: %v; %s names it", err, cmp.Or(named.from.env, d.named+" of "+l.files[""]))
		return false
	}
	return l.read(d, text)
}

func (l *loader) read(d document, text []byte) bool {
	r := &reader{file: l.files[d.path], schema: d, lookup: l.env.lookup, secret: l.secret, problems: &l.problems, settings: l.settings}
	return r.document(text)
}

func fileHint(dir, namedBy string) string {
	if namedBy == "" {
		return fmt.Sprintf("it is looked for in %s: start the server elsewhere, or name another file with -config or %s", dir, configName)
	}
	return namedBy + " names it"
}

// readSource reads a file that the configuration is made of.
func (l *loader) readSource(path string) ([]byte, error) {
	if !slices.Contains(l.sources, path) {
		l.sources = append(l.sources, path)
	}
	text, err := readBounded(path)
	if err == nil {
		l.sums[path] = sha256.Sum256(text)
	}
	return text, err
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
func (l *loader) readLayers(d document) {
	inFile := map[string]any{}
	for _, f := range d.schema.leaves(false) {
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
	text, err := l.resolve(f, v.value)
	var value any
	if err == nil {
		value, err = f.parse(text)
	}
	if err != nil {
		l.problems.add(v.from, f.path, "%s%v", f.quoted(v.value), err)
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
	if v, ok := l.defaults[f.path]; ok {
		return v
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
	file := l.files[documentOf(path).path]
	if s, ok := l.layers.Get(path).(setting); ok && s.from != (origin{}) {
		return s.from
	}
	for path != "" {
		if s, ok := l.settings[path]; ok {
			return s.from
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return origin{file: file}
}

// nameFolders gives a model without a path the folder of its name.
func nameFolders(list []Model) {
	for i := range list {
		if list[i].Path == "" {
			list[i].Path = path.Base(list[i].Name)
		}
	}
}

// nameUpstreamModels gives a route without upstream_model its own name, so that an alias leads
// to the same; a pattern passes on the name asked for.
func nameUpstreamModels(list []Route) {
	for i := range list {
		if list[i].UpstreamModel == "" && !wildcard.Is(list[i].Name) {
			list[i].UpstreamModel = list[i].Name
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
	for i := range cfg.Routing.Upstreams {
		u := &cfg.Routing.Upstreams[i]
		paths = append(paths, &u.CAFile, &u.ClientCert, &u.ClientKey)
	}
	for _, p := range paths {
		if *p != "" {
			*p = l.abs(*p)
		}
	}
}

// readCertificates makes the files of TLS sources, the server's and the upstreams', so that a
// renewal is a change. Whether they can be used is for the server to say.
func (l *loader) readCertificates(cfg *Config) {
	files := []string{cfg.Server.TLS.Cert, cfg.Server.TLS.Key}
	for _, u := range cfg.Routing.Upstreams {
		files = append(files, u.CAFile, u.ClientCert, u.ClientKey)
	}
	for _, path := range files {
		if path != "" {
			cfg.pem = append(cfg.pem, path)
			_, _ = l.readSource(path)
		}
	}
}

func (l *loader) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}
