package auth

import (
	"errors"
	"fmt"
	"slices"
	"unicode"
)

// maxName bounds a key's name, in bytes: it is a label in logs and metrics.
const maxName = 128

func validate(keys []Key, anonymous Anonymous) error {
	var problems []error
	names, hashes := map[string]bool{}, map[digest]string{}
	for i, key := range keys {
		add := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("auth: key %d (%q): "+format, append([]any{i + 1, key.Name}, args...)...))
		}
		if problem := wrongName(key.Name); problem != "" {
			add("name: %s", problem)
		} else if names[key.Name] {
			add("name: another key has it, too")
		}
		names[key.Name] = true
		// What is wrong is not repeated: it may be the key itself, put there by mistake.
		if sum, ok := parseHash(key.Hash); !ok {
			add("hash: not sha256: and 64 hexadecimal digits, as `quadrate key new` prints")
		} else if other, known := hashes[sum]; known {
			add("hash: that of key %q, too", other)
		} else {
			hashes[sum] = key.Name
		}
		if slices.Contains(key.Models, "") {
			add("models: an empty pattern; * stands for any name")
		}
		if key.BodyLimit < 0 {
			add("body_limit: %d is negative; 0 is the server's own limit", key.BodyLimit)
		}
	}
	if slices.Contains(anonymous.Models, "") {
		problems = append(problems, errors.New("auth: anonymous: models: an empty pattern; * stands for any name"))
	}
	return errors.Join(problems...)
}

func wrongName(name string) string {
	switch {
	case name == "":
		return "it is empty; logs and metrics need one"
	case len(name) > maxName:
		return fmt.Sprintf("%d bytes, and at most %d are allowed", len(name), maxName)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return "it has characters that cannot be printed"
		}
	}
	return ""
}
