package api

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
)

// anonymous is what the log calls a caller without a key.
const anonymous = "anonymous"

// openRoutes need no key.
var openRoutes = []string{"/health", "/health/live", "/health/ready", "/metrics", "/info", "/docs", "/docs/*", "/openapi.json", "/playground", "/playground/*"}

// credentials are the headers that a key comes in, in the order in which they are tried.
var credentials = []string{fiber.HeaderAuthorization, "X-Api-Key", "Api-Key"}

// secretOf takes the key out of a header's value. The scheme is left out by some clients and
// written twice by others, whose users give it with the key.
func secretOf(header, value string) string {
	value = strings.TrimSpace(value)
	for header == fiber.HeaderAuthorization {
		scheme, rest, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			break
		}
		value = strings.TrimSpace(rest)
	}
	return value
}

// identify tells who sent a header. Of several keys the first that is known counts.
func identify(keys *auth.Keyring, h *fasthttp.RequestHeader) (*auth.Caller, error) {
	now := time.Now()
	var refused error
	for _, name := range credentials {
		secret := secretOf(name, string(h.Peek(name)))
		if secret == "" {
			continue
		}
		caller, err := keys.Identify(secret, now)
		if err == nil {
			return caller, nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return nil, refused
	}
	return keys.Identify("", now)
}

func unauthorized(err error) error {
	const how = "send it as Authorization: Bearer, X-API-Key or api-key"
	message := err.Error() + "; " + how
	if errors.Is(err, auth.ErrDisabled) || errors.Is(err, auth.ErrExpired) {
		message = err.Error()
	}
	return models.Errorf(models.KindUnauthorized, "%s", message).Because(err)
}

// refusalOf is the word that counts a refusal.
func refusalOf(err error) string {
	switch {
	case errors.Is(err, auth.ErrMissing):
		return "missing_key"
	case errors.Is(err, auth.ErrDisabled):
		return "disabled_key"
	case errors.Is(err, auth.ErrExpired):
		return "expired_key"
	}
	return "unknown_key"
}

func (s *Server) keyring() *auth.Keyring {
	if s.options.Keys == nil {
		return nil
	}
	return s.options.Keys()
}

// identify finds who calls, before any of the body is read.
func (x *call) identify() error {
	x.event.Key, x.event.Client = anonymous, x.server.client(x.http.Context())
	keys := x.server.keyring()
	if keys == nil {
		return nil
	}
	caller, err := identify(keys, &x.http.Request().Header)
	if err != nil {
		x.event.Key, x.event.Refused = "", refusalOf(err)
		return unauthorized(err)
	}
	x.who = caller
	if !caller.Anonymous {
		x.event.Key = caller.Name
	}
	x.body.limit, x.body.setting = x.server.bodyLimit(caller)
	return nil
}

// bodyLimit is the largest body of a caller, and the setting that says so.
func (s *Server) bodyLimit(caller *auth.Caller) (limit int64, setting string) {
	o := s.options
	switch {
	case caller == nil:
	case caller.Anonymous && o.AnonymousBodyLimit < o.BodyLimit:
		return o.AnonymousBodyLimit, "server.anonymous_body_limit, without an API key"
	case caller.BodyLimit > 0 && caller.BodyLimit < o.BodyLimit:
		return caller.BodyLimit, "body_limit of the API key " + caller.Name
	}
	return o.BodyLimit, "server.body_limit"
}

// refuses reports whether a request will be refused for what its header says, so that its body
// need not be sent.
func (s *Server) refuses(h *fasthttp.RequestHeader) bool {
	limit := s.options.BodyLimit
	if keys := s.keyring(); keys != nil {
		caller, err := identify(keys, h)
		if err != nil {
			return true
		}
		limit, _ = s.bodyLimit(caller)
	}
	return int64(h.ContentLength()) > limit
}

// mayUse reports whether the caller may use a model.
func (x *call) mayUse(e models.Entry) bool { return x.mayUseAs(e, e.Name) }

// mayUseAs is mayUse for a model that was asked for by a name of its own.
func (x *call) mayUseAs(e models.Entry, asked string) bool {
	return x.who == nil || x.who.Allows(e.Name, asked) || x.who.Allows(e.Aliases...)
}

// find resolves the model that a request asks for. A request that names none is given one that
// its caller may use.
func (x *call) find(asked string, task models.Task) (models.Entry, error) {
	catalog := x.server.options.Catalog
	entry, err := catalog.Resolve(asked, task)
	if err != nil {
		return models.Entry{}, err
	}
	if asked != "" {
		if !x.mayUseAs(entry, asked) {
			return models.Entry{}, x.forbid(entry)
		}
		return entry, nil
	}
	if x.mayUse(entry) {
		return entry, nil
	}
	allowed := slices.DeleteFunc(catalog.Listed(), func(e models.Entry) bool { return !e.Does(task) || !x.mayUse(e) })
	if len(allowed) == 0 {
		return models.Entry{}, x.forbid(entry)
	}
	return models.Preferred(allowed), nil
}

func (x *call) forbid(e models.Entry) error {
	x.event.Model, x.event.Refused = e.Name, "model"
	if x.who.Anonymous {
		return models.Errorf(models.KindForbidden, "callers without an API key may not use %s (anonymous.models in auth.yaml)", e.Name).At("model")
	}
	return models.Errorf(models.KindForbidden, "the API key %q may not use %s (models in auth.yaml)", x.who.Name, e.Name).At("model")
}
