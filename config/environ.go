package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

const (
	prefix     = "QUADRATE_"
	configName = prefix + "CONFIG"
	dotEnv     = ".env"
)

// otherNames are the QUADRATE_* variables that are no settings: configName, what the build and
// test tools read, and what the images' entry point and exporter do.
var otherNames = []string{configName, "QUADRATE_PYTHON", "QUADRATE_REQUIRE_MODELS", "QUADRATE_FETCH", "QUADRATE_FETCH_VARIANT", "QUADRATE_TORCH_PYTHON"}

// variable is an environment variable's value and where it was set.
type variable struct {
	value string
	from  origin
}

// environment is the process's variables over those of a .env file.
type environment map[string]variable

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v.value, ok
}

// first returns the first of names that is set. Empty values count as set.
func (e environment) first(names []string) (variable, bool) {
	for _, name := range names {
		if v, ok := e[name]; ok {
			return v, true
		}
	}
	return variable{}, false
}

func (l *loader) readEnvironment(opts LoadOptions) environment {
	env := l.readDotEnv(filepath.Join(l.dir, dotEnv))
	own := environment{}
	for _, assignment := range opts.Environ {
		name, value, _ := strings.Cut(assignment, "=")
		own[name] = variable{value: value, from: origin{env: name}}
	}
	own.dropServiceLinks()
	for name, v := range own {
		env[name] = v
	}
	return env
}

// readDotEnv reads a .env file; none is as good as an empty one.
func (l *loader) readDotEnv(path string) environment {
	env := environment{}
	text, err := l.readSource(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.problems.add(origin{file: dotEnv}, "", "cannot be read: %v", err)
		}
		return env
	}
	values, err := parseDotEnv(string(text))
	if err != nil {
		l.problems.add(origin{file: dotEnv, line: brokenLine(string(text))}, "", "is not NAME=value")
		return env
	}
	for name, value := range values {
		env[name] = variable{value: value, from: origin{file: dotEnv, line: lineOf(name, string(text)), env: name}}
	}
	return env
}

var errNoAssignment = errors.New("a line is not NAME=value")

// parseDotEnv is godotenv's parser with two differences: its errors quote the rest of the
// file, secrets and all, and it takes a last line without "=" for a value without a name.
func parseDotEnv(text string) (map[string]string, error) {
	values, err := godotenv.Unmarshal(text)
	if err != nil {
		return nil, errNoAssignment
	}
	for name := range values {
		if name == "" || strings.ContainsAny(name, " \t") || !utf8.ValidString(name) {
			return nil, errNoAssignment
		}
	}
	return values, nil
}

// brokenLine is the line of the first statement that cannot be parsed: the one after the
// longest run of lines that can.
func brokenLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := parseDotEnv(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

// lineOf is the line that sets a name, the last one if there are several.
func lineOf(name, text string) int {
	statement := regexp.MustCompile(`^\s*(export\s+)?` + regexp.QuoteMeta(name) + `\s*[=:]`)
	found := 0
	for i, line := range strings.Split(text, "\n") {
		if statement.MatchString(line) {
			found = i + 1
		}
	}
	return found
}

var linkedPort = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// dropServiceLinks removes the variables that Kubernetes sets for each service of a
// namespace. Those of a service called quadrate-server or gateway would else be taken for
// QUADRATE_SERVER_PORT and GATEWAY_PORT.
func (e environment) dropServiceLinks() {
	for name, v := range e {
		service, isHost := strings.CutSuffix(name, "_SERVICE_HOST")
		if !isHost || v.value == "" || !linkedPort.MatchString(e[service+"_PORT"].value) {
			continue
		}
		delete(e, name)
		for other := range e {
			if other == service+"_PORT" || strings.HasPrefix(other, service+"_PORT_") || strings.HasPrefix(other, service+"_SERVICE_PORT") {
				delete(e, other)
			}
		}
	}
}

// checkNames reports QUADRATE_* variables that mean nothing.
func (e environment) checkNames(problems *LoadError) {
	known := slices.Clone(otherNames)
	for _, f := range root.leaves(false) {
		known = append(known, f.env...)
	}
	for name, v := range e {
		if strings.HasPrefix(name, prefix) && !slices.Contains(known, name) {
			problems.add(v.from, "", "%s", unknownName(name, known))
		}
	}
}

func unknownName(name string, known []string) string {
	for _, f := range root.leaves(true) {
		if len(f.env) == 0 && envName(f.path) == name {
			return f.path + " is a list; lists are set in the file only"
		}
	}
	for _, path := range root.lists() {
		if list := envName(path); name == list || strings.HasPrefix(name, list+"_") {
			return local(path) + " are listed in the file only"
		}
	}
	own := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return !strings.HasPrefix(s, prefix) })
	if n := nearest(name, own); n != "" {
		return fmt.Sprintf("no setting has this name: did you mean %s?", n)
	}
	return "no setting has this name; .env.example lists those there are"
}

var (
	reference    = regexp.MustCompile(`\$?\$\{([^}]*)\}`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// expand replaces each ${NAME} by the variable's value; $${ stands for ${ itself. Its error
// continues a sentence that begins with the text.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var problems []string
	expanded := reference.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		name := match[2 : len(match)-1]
		if !variableName.MatchString(name) {
			problems = append(problems, fmt.Sprintf("has %q where the name of an environment variable belongs", name))
			return ""
		}
		value, ok := lookup(name)
		if !ok {
			problems = append(problems, fmt.Sprintf("needs the environment variable %s, which is not set", name))
		}
		return value
	})
	if len(problems) > 0 {
		return "", errors.New(strings.Join(problems, " and "))
	}
	return expanded, nil
}
