package managed

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

const (
	// shortSecret is the length below which a word is not looked for: it may be a usual one.
	shortSecret = 8
	concealed   = "(concealed)"
)

// Conceal returns text without what is the server's alone, should it repeat that: the values of its
// environment, and of arguments such as --api-key.
func (s Spec) Conceal(text string) string {
	_, secrets := s.split()
	for _, v := range s.Env {
		_, value, _ := strings.Cut(v, "=")
		secrets = append(secrets, value)
	}
	// A secret may hold another.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range secrets {
		if len(secret) >= shortSecret {
			text = strings.ReplaceAll(text, secret, concealed)
		}
	}
	return text
}

// words are an error's, without what is the server's alone.
func (s Spec) words(err error) string { return words(errors.New(s.Conceal(err.Error()))) }

// ShownCommand is Command without the values of arguments such as --api-key.
func (s Spec) ShownCommand() []string {
	shown, _ := s.split()
	return shown
}

// split takes the secrets out of Command: what is behind = or, up to the next option, behind it.
func (s Spec) split() (shown, secrets []string) {
	shown = slices.Clone(s.Command)
	after := false
	for i, arg := range s.Command {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
			if after {
				shown[i], secrets = concealed, append(secrets, arg)
			}
		case joined && tellsSecret(name):
			shown[i], secrets, after = name+"="+concealed, append(secrets, value), false
		default:
			after = tellsSecret(arg)
		}
	}
	return shown, secrets
}

// tellsSecret reports whether the value of an option is a secret, by its name.
func tellsSecret(option string) bool {
	words := strings.FieldsFunc(strings.ToLower(option), func(r rune) bool { return r == '-' || r == '_' })
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains([]string{"key", "token", "secret", "password"}, word)
	})
}
