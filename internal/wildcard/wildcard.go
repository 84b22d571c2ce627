// Package wildcard matches names against patterns in which * stands for any characters, also
// none and also slashes. Nothing else in a pattern is special.
package wildcard

import "strings"

// Is reports whether a pattern has a wildcard, and so may match several names.
func Is(pattern string) bool { return strings.Contains(pattern, "*") }

// Match reports whether name as a whole matches pattern.
func Match(pattern, name string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	if !ok {
		return false
	}
	for {
		var part string
		if part, rest, wild = strings.Cut(rest, "*"); !wild {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
}

// MatchAny reports whether name matches one of the patterns.
func MatchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if Match(p, name) {
			return true
		}
	}
	return false
}
