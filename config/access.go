package config

// Auth is auth.yaml: who may call, and what they may use.
type Auth struct {
	Anonymous Anonymous `key:"anonymous"`
	Keys      []Key     `key:"keys"`
}

// Anonymous is what callers without a key may do.
type Anonymous struct {
	Enabled bool     `key:"enabled" def:"true" doc:"callers without a key are served"`
	Models  []string `key:"models" def:"*" doc:"names of models they may use; * stands for any characters"`
	Limits  string   `key:"limits" doc:"their class in rate_limits.yaml, counted by address; empty: no limits"`
}

// Key is one API key, of which only the hash is known.
type Key struct {
	Name      string   `key:"name" need:"the key's name" doc:"name in logs and metrics, of at most 128 bytes"`
	Hash      string   `key:"hash" secret:"true" need:"a hash that quadrate key new printed" doc:"sha256: and the key's SHA-256 in hexadecimal"`
	Models    []string `key:"models" def:"*" doc:"names of models it may use; * stands for any characters"`
	Limits    string   `key:"limits" doc:"its class in rate_limits.yaml; empty: no limits"`
	Expires   string   `key:"expires" doc:"when it ends, as 2027-01-31 or 2027-01-31T12:00:00Z; empty: never"`
	Disabled  bool     `key:"disabled" def:"false" doc:"refused for now"`
	Admin     bool     `key:"admin" def:"false" doc:"may use /admin routes"`
	BodyLimit Bytes    `key:"body_limit" doc:"largest request body, if less than server.body_limit; 0: server.body_limit"`
}

// RateLimits is rate_limits.yaml.
type RateLimits struct {
	Store          string       `key:"store" secret:"true" def:"memory" doc:"where the counts are kept: memory, or redis://user:password@host:port/db (rediss:// with TLS), shared by all replicas"`
	Replicas       int          `key:"replicas" doc:"servers that share the limits; with Redis gone each allows its part; 0: as many as Redis last knew of"`
	TrustedProxies []string     `key:"trusted_proxies" doc:"addresses or networks whose X-Forwarded-For is believed"`
	Classes        []LimitClass `key:"classes"`
}

// LimitClass bounds each caller of a class. 0 is no limit.
type LimitClass struct {
	Name              string       `key:"name" need:"the class's name" doc:"name in auth.yaml"`
	RequestsPerMinute int          `key:"requests_per_minute" max:"1000000000" doc:"0: no limit"`
	TokensPerMinute   int          `key:"tokens_per_minute" max:"1000000000" doc:"0: no limit"`
	Burst             int          `key:"burst" max:"1000000000" doc:"requests that may come at once after a pause; 0: requests_per_minute / 6, at least 1"`
	Concurrency       int          `key:"concurrency" max:"1000000000" doc:"requests at once; 0: no limit"`
	Models            []ModelLimit `key:"models"`
}

// ModelLimit bounds a caller's use of some models, in place of its class's own limits.
type ModelLimit struct {
	Models            []string `key:"models" need:"at least one model" doc:"names of models; * stands for any characters; the first entry that fits counts"`
	RequestsPerMinute int      `key:"requests_per_minute" max:"1000000000" doc:"0: no limit"`
	TokensPerMinute   int      `key:"tokens_per_minute" max:"1000000000" doc:"0: no limit"`
	Burst             int      `key:"burst" max:"1000000000" doc:"as in the class"`
	Concurrency       int      `key:"concurrency" max:"1000000000" doc:"0: no limit"`
}
