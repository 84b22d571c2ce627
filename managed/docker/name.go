package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The labels of a container.
const (
	labelInstance = "io.quadrate.instance"
	labelUpstream = "io.quadrate.upstream"
	labelModel    = "io.quadrate.model"
	labelConfig   = "io.quadrate.config"
	labelVersion  = "io.quadrate.version"
	labelPort     = "io.quadrate.port" // where the server listens
)

const (
	maxSlug  = 40 // with what is around it, a name fits a DNS label's 63
	maxNames = 9  // how many names a container may have, as others may have the first
)

// name is the container's name: it is the same for the same instance and upstream, and also a
// host name.
func name(instance, upstream string) string {
	sum := sha256.Sum256([]byte(instance + "\x00" + upstream))
	parts := []string{"quadrate", hex.EncodeToString(sum[:4])}
	if s := slug(upstream); s != "" {
		parts = []string{"quadrate", s, parts[1]}
	}
	return strings.Join(parts, "-")
}

// slug keeps ASCII letters and digits, in lower case, and has one dash for whatever is between.
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	joined := strings.Join(words, "-")
	if len(joined) > maxSlug {
		joined = strings.TrimRight(joined[:maxSlug], "-")
	}
	return joined
}
