package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// secretFile begins a value that is in a file of its own.
const secretFile = "file:"

// secret reads a value that may be in a file of its own. Its error continues a sentence that
// begins with the key, and says nothing of what is in the file.
func (l *loader) secret(text string) (string, error) {
	name, elsewhere := strings.CutPrefix(text, secretFile)
	switch {
	case !elsewhere:
		return text, nil
	case name == "":
		return "", errors.New("has no path behind its file: prefix")
	}
	content, err := l.readSource(l.abs(name))
	if err != nil {
		return "", fmt.Errorf("is in the file %s, which cannot be read: %w", name, err)
	}
	value := strings.TrimRight(string(content), "\r\n")
	switch {
	case value == "":
		return "", fmt.Errorf("is in the file %s, which is empty", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", fmt.Errorf("is in the file %s, which is more than one line of text", name)
	}
	return value, nil
}

// resolve gives the text that a value stands for, where it may be a secret.
func (l *loader) resolve(f *field, text string) (string, error) {
	if !f.secret {
		return text, nil
	}
	return l.secret(text)
}

// quoted is a value as an error shows it, with a space after it; nothing where it may be a secret.
func (f *field) quoted(text string) string {
	if f.secret {
		return ""
	}
	return fmt.Sprintf("%q ", text)
}
