package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// hashPrefix begins a key's hash.
const hashPrefix = "sha256:"

// maxKeyName bounds a key's name: it is a label in logs and metrics.
const maxKeyName = 128

// ExpiresAt is when the key ends; the zero time if never. A day's key ends with its first
// moment, in UTC.
func (k Key) ExpiresAt() time.Time {
	t, _ := parseExpires(k.Expires)
	return t
}

func parseExpires(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, errors.New("is not a day, such as 2027-01-31, or a time, such as 2027-01-31T12:00:00Z")
}

// Proxies are the trusted proxies as networks.
func (r RateLimits) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range r.TrustedProxies {
		if p, err := parseNetwork(text); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func parseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, errors.New("is neither an address, such as 10.0.0.1, nor a network, such as 10.0.0.0/8")
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func (l *loader) checkAuth(cfg *Config) {
	const anonymous = "auth.anonymous"
	if a := cfg.Auth.Anonymous; a.Enabled || len(a.Models) > 0 {
		l.checkPatterns(a.Models, anonymous+".models")
	}
	l.checkClass(cfg, cfg.Auth.Anonymous.Limits, anonymous+".limits")
	keys := cfg.Auth.Keys
	names, hashes := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		names[i], hashes[i] = k.Name, strings.ToLower(k.Hash)
		if at := keyPath(i); l.whole(at) {
			l.checkKey(k, at)
			l.checkClass(cfg, k.Limits, at+".limits")
		}
	}
	l.unique(names, func(i int) string { return keyPath(i) + ".name" })
	repeated(hashes, func(i int) {
		if hashes[i] != "" {
			l.report(keyPath(i)+".hash", "is that of %s, too", l.place(keyPath(slices.Index(hashes, hashes[i])), keyPath(i)))
		}
	})
}

func keyPath(i int) string { return fmt.Sprintf("auth.keys[%d]", i) }

func (l *loader) checkKey(k Key, at string) {
	switch {
	case len(k.Name) > maxKeyName:
		l.report(at+".name", "has %d bytes; at most %d are allowed", len(k.Name), maxKeyName)
	case strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		l.report(at+".name", "%q has characters that cannot be printed", k.Name)
	}
	digits, ok := strings.CutPrefix(k.Hash, hashPrefix)
	if raw, err := hex.DecodeString(digits); k.Hash != "" && (!ok || err != nil || len(raw) != 32) {
		// Not shown: it may be the key itself.
		l.report(at+".hash", "is not sha256: and 64 hexadecimal digits; quadrate key new prints a key and its hash")
	}
	if _, err := parseExpires(k.Expires); err != nil {
		l.report(at+".expires", "%q %v", k.Expires, err)
	}
	l.checkPatterns(k.Models, at+".models")
}

// checkPatterns wants names of models, with or without *.
func (l *loader) checkPatterns(patterns []string, at string) {
	if len(patterns) == 0 && !l.reported(at) {
		l.report(at, `is empty; list names of models, or "*" for all`)
	}
	for i, p := range patterns {
		if where := fmt.Sprintf("%s[%d]", at, i); p == "" {
			l.report(where, `is empty; write a model's name, or "*" for all`)
		} else {
			l.checkName(p, where)
		}
	}
}

// checkClass wants a class that there is, or none.
func (l *loader) checkClass(cfg *Config, class, at string) {
	if class == "" || !l.readable["rate_limits"] {
		return
	}
	var names []string
	for _, c := range cfg.RateLimits.Classes {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, class) {
		l.report(at, "there is no class %q in %s%s", class, l.nameOf("rate_limits"), suggestion(class, names))
	}
}

// nameOf is the name of a document's file.
func (l *loader) nameOf(path string) string {
	if name := l.files[path]; name != "" {
		return name
	}
	return "the file of files." + path
}

func classPath(i int) string { return fmt.Sprintf("rate_limits.classes[%d]", i) }

func (l *loader) checkRateLimits(r RateLimits) {
	if err := checkStore(r.Store); err != nil && !l.reported("rate_limits.store") {
		l.report("rate_limits.store", "%v", err)
	}
	for i, text := range r.TrustedProxies {
		if _, err := parseNetwork(text); err != nil {
			l.report(fmt.Sprintf("rate_limits.trusted_proxies[%d]", i), "%q %v", text, err)
		}
	}
	names := make([]string, len(r.Classes))
	for i, c := range r.Classes {
		at := classPath(i)
		if names[i] = c.Name; !l.whole(at) {
			continue
		}
		l.checkBurst(c.Burst, c.RequestsPerMinute, at)
		for j, m := range c.Models {
			if where := fmt.Sprintf("%s.models[%d]", at, j); l.whole(where) {
				l.checkPatterns(m.Models, where+".models")
				l.checkBurst(m.Burst, m.RequestsPerMinute, where)
			}
		}
	}
	l.unique(names, func(i int) string { return classPath(i) + ".name" })
}

func (l *loader) checkBurst(burst, rate int, at string) {
	switch {
	case burst == 0 || l.reported(at+".requests_per_minute"):
	case rate == 0:
		l.report(at+".burst", "is set without requests_per_minute, of which it is a part")
	case burst > rate:
		l.report(at+".burst", "%d is more than requests_per_minute, %d", burst, rate)
	}
}

// checkStore wants a place for counts. Its errors do not show it: it may hold a password.
func checkStore(store string) error {
	if store == "memory" {
		return nil
	}
	wrong := errors.New("is neither memory nor a URL of Redis, such as redis://user:password@localhost:6379/0")
	u, err := url.Parse(store)
	switch {
	case err != nil || u.Scheme != "redis" && u.Scheme != "rediss":
		return wrong
	case u.Hostname() == "":
		return errors.New("has no host; write a URL such as redis://user:password@localhost:6379/0")
	case strings.Trim(u.Path, "/0123456789") != "" || strings.Count(strings.Trim(u.Path, "/"), "/") > 0:
		return errors.New("has something other than the number of a database after the port")
	}
	return nil
}
