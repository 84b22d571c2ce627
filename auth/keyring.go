package auth

import (
	"errors"
	"time"
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

// Keyring knows the keys. It never changes: a reload makes another.
type Keyring struct{}

// New makes a keyring; all that is wrong with the keys is reported at once.
func New(keys []Key, anonymous Anonymous) (*Keyring, error) { panic("to be written") }

// Identify tells who calls with a secret, which is empty where none was given. Its errors are
// those above; they do not tell how near a wrong key was. (With anonymous access on, an unknown
// secret is still refused, but an empty one is not.)
func (k *Keyring) Identify(secret string, now time.Time) (*Caller, error) { panic("to be written") }

// Allows reports whether the caller may use a model, by any of its names.
func (c *Caller) Allows(names ...string) bool { panic("to be written") }

// Generate makes a key: the secret, to be shown once, and the hash to be kept.
func Generate() (secret, hash string, err error) { panic("to be written") }
