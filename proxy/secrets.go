package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
)

// shortSecret is the length below which a word is not looked for: "ollama" is a usual key, and a
// usual word.
const shortSecret = 8

// secretsOf are what the upstream is told and nobody else may be: its key and the values of its
// headers, as they are and as JSON may write them.
func secretsOf(u Upstream) [][]byte {
	words := []string{u.APIKey}
	for _, values := range u.Header {
		for _, value := range values {
			_, token, _ := strings.Cut(value, " ") // of "Bearer" and others
			words = append(words, value, token)
		}
	}
	var secrets [][]byte
	for _, word := range words {
		if len(word) < shortSecret {
			continue
		}
		secrets = append(secrets, []byte(word))
		if quoted, err := json.Marshal(word); err == nil && string(quoted[1:len(quoted)-1]) != word {
			secrets = append(secrets, quoted[1:len(quoted)-1])
		}
		if slashed := strings.ReplaceAll(word, "/", `\/`); slashed != word {
			secrets = append(secrets, []byte(slashed))
		}
	}
	return secrets
}

// conceal returns an answer without the upstream's secrets: what refuses a request, and is shown
// to clients and logged, may repeat its headers.
func (p *pool) conceal(body []byte) []byte {
	for _, secret := range p.secrets {
		if bytes.Contains(body, secret) {
			body = bytes.ReplaceAll(body, secret, []byte("(concealed)"))
		}
	}
	return body
}
