package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
)

// Key is one API key, of which only the hash is known.
type Key struct {
	Name string
	// Hash is "sha256:" and 64 hexadecimal digits: that of the key's bytes.
	Hash string
	// Models are wildcard patterns of the names it may use.
	Models []string
	// Limits is its class of rate limits; empty: none.
	Limits string
	// Expires is when it ends; zero: never.
	Expires         time.Time
	Disabled, Admin bool
	// BodyLimit is its largest request body in bytes; 0: the server's.
	BodyLimit int64
}

// Anonymous is what callers without a key may do.
type Anonymous struct {
	Enabled bool
	Models  []string
	Limits  string
}

// Why a caller is refused.
var (
	ErrMissing  = errors.New("no API key was given")
	ErrUnknown  = errors.New("the API key is not known")
	ErrDisabled = errors.New("the API key is disabled")
	ErrExpired  = errors.New("the API key has expired")
)

// Caller is who is calling. It is safe for concurrent use and never changes.
type Caller struct {
	// Name is the key's name; empty for the anonymous.
	Name      string
	Anonymous bool
	Admin     bool
	Limits    string
	BodyLimit int64
	models    []string
}

const (
	// maxSecret is the longest secret, in bytes, that is looked at: nothing hashes megabytes for
	// a caller who is not known yet.
	maxSecret = 512

	secretPrefix = "qd_"
	hashPrefix   = "sha256:"
)

type digest = [sha256.Size]byte

// entry is what a key's holder meets.
type entry struct {
	caller   *Caller
	expires  time.Time
	disabled bool
}

// Keyring knows the keys. It never changes: a reload makes another.
//
// A secret is hashed, and its digest compared with every key's in constant time. A map from
// digests would be quicker and its timing could tell of digests only, from which no key is
// found; but that has to be argued again with each change. A thousand keys cost some 15 µs.
type Keyring struct {
	digests   []digest
	entries   []entry
	anonymous *Caller // nil: a key is needed
}

// New makes a keyring; all that is wrong with the keys is reported at once.
func New(keys []Key, anonymous Anonymous) (*Keyring, error) {
	if err := validate(keys, anonymous); err != nil {
		return nil, err
	}
	k := &Keyring{}
	if anonymous.Enabled {
		k.anonymous = &Caller{Anonymous: true, Limits: anonymous.Limits, models: append([]string(nil), anonymous.Models...)}
	}
	for _, key := range keys {
		sum, _ := parseHash(key.Hash)
		k.digests = append(k.digests, sum)
		k.entries = append(k.entries, entry{
			caller: &Caller{Name: key.Name, Admin: key.Admin, Limits: key.Limits, BodyLimit: key.BodyLimit,
				models: append([]string(nil), key.Models...)},
			expires: key.Expires, disabled: key.Disabled,
		})
	}
	return k, nil
}

// Identify tells who calls with a secret, which is empty where none was given. Its errors are
// those above; they do not tell how near a wrong key was. (With anonymous access on, an unknown
// secret is still refused, but an empty one is not; where there are no keys at all, clients that
// cannot but send one are anonymous, too.)
func (k *Keyring) Identify(secret string, now time.Time) (*Caller, error) {
	switch {
	case k.anonymous != nil && (secret == "" || len(k.entries) == 0):
		return k.anonymous, nil
	case secret == "":
		return nil, ErrMissing
	case len(secret) > maxSecret:
		return nil, ErrUnknown
	}
	at := k.find(sha256.Sum256([]byte(secret)))
	if at < 0 {
		return nil, ErrUnknown
	}
	switch e := &k.entries[at]; {
	case e.disabled:
		return nil, ErrDisabled
	case !e.expires.IsZero() && !now.Before(e.expires):
		return nil, ErrExpired
	default:
		return e.caller, nil
	}
}

// find is the place of a digest, or -1. It takes equally long wherever that is, and whether it
// is there at all.
func (k *Keyring) find(sum digest) int {
	at := -1
	for i := range k.digests {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(k.digests[i][:], sum[:]), i, at)
	}
	return at
}

// Allows reports whether the caller may use a model, by any of its names.
func (c *Caller) Allows(names ...string) bool {
	for _, name := range names {
		if wildcard.MatchAny(c.models, name) {
			return true
		}
	}
	return false
}

// Generate makes a key: the secret, to be shown once, and the hash to be kept. The secret is
// "qd_" and 256 random bits in hexadecimal, so that a double click selects it whole.
func Generate() (secret, hash string, err error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", "", err
	}
	secret = secretPrefix + hex.EncodeToString(random[:])
	return secret, Hash(secret), nil
}

// Hash is what is kept of a secret: Key.Hash. It is quick to compute, so the secret must be
// random as Generate's are, and not a password.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hashPrefix + hex.EncodeToString(sum[:])
}

func parseHash(text string) (sum digest, ok bool) {
	digits, ok := strings.CutPrefix(text, hashPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(digits))
	return sum, err == nil
}
