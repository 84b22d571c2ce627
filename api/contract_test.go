package api

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/playground"
)

// operation is one of the OpenAPI document.
type operation struct {
	*openapi3.Operation
	method, path string
	pattern      *regexp.Regexp
}

// contract is the OpenAPI document.
type contract struct {
	doc        *openapi3.T
	operations []operation
}

var braces = regexp.MustCompile(`\{[^}]+\}`)

// documented is read once. Its answers are strict: what they do not name they must not have.
var documented = sync.OnceValues(func() (*contract, error) {
	data, err := playground.Document("test")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, err
	}
	c := &contract{doc: doc}
	seen := map[*openapi3.Schema]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			pattern := "^" + braces.ReplaceAllString(path, "(.+)") + "/?$"
			c.operations = append(c.operations, operation{o, method, path, regexp.MustCompile(pattern)})
			for _, response := range o.Responses.Map() {
				for _, media := range response.Value.Content {
					strict(media.Schema, seen)
				}
			}
		}
	}
	// What a path says itself goes before what it leaves open.
	slices.SortFunc(c.operations, func(a, b operation) int {
		return cmp.Or(cmp.Compare(strings.Count(a.path, "{"), strings.Count(b.path, "{")), cmp.Compare(len(b.path), len(a.path)), cmp.Compare(a.path, b.path))
	})
	for _, kind := range []string{"text/html", "text/css", "text/javascript", "application/openmetrics-text"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	return c, nil
})

func strict(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if len(s.Properties) > 0 {
		s.AdditionalProperties = openapi3.AdditionalProperties{Has: new(bool)}
	}
	for _, inner := range s.Properties {
		strict(inner, seen)
	}
	for _, inner := range s.AnyOf {
		strict(inner, seen)
	}
	strict(s.Items, seen)
}

func theContract(t *testing.T) *contract {
	t.Helper()
	c, err := documented()
	require.NoError(t, err)
	return c
}

// find returns the operation that a request is for.
func (c *contract) find(method, path string) (operation, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, o := range c.operations {
		if o.method == method && o.pattern.MatchString(path) {
			return o, true
		}
	}
	return operation{}, false
}

// checked bounds the answers that are held against the document: larger ones say no more.
const checked = 64 << 10

// conforms checks that the document has an answer, its headers included. Where it has no such
// route it is not asked.
func conforms(t *testing.T, method, target string, got answer) {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	c := theContract(t)
	o, known := c.find(method, path)
	if !known || len(got.body) > checked || got.status == 431 || strings.Contains(got.body, rowRoute.code) && got.status == 404 || got.status == statusClientGone {
		return // an answer to no route, or to nobody
	}
	what := fmt.Sprintf("%s %s, answered %d %s", method, target, got.status, got.body)
	response := o.Responses.Value(strconv.Itoa(got.status))
	require.NotNil(t, response, "undocumented status: %s", what)
	for header := range got.header {
		if ours(header) {
			require.True(t, names(o.Responses.Value("200").Value, header) || names(response.Value, header), "undocumented header %s: %s", header, what)
		}
	}
	if method == http.MethodHead {
		return
	}
	require.NoError(t, c.validate(o, got), what)
}

// ours reports whether a header is one that the document tells of.
func ours(header string) bool {
	switch header {
	case "X-Content-Type-Options":
		return false
	case "Server-Timing", "Retry-After", "Www-Authenticate", "Content-Security-Policy", "Etag":
		return true
	}
	return strings.HasPrefix(header, "X-")
}

// names reports whether a response is documented with a header. Failures have those of a success,
// as far as they are known.
func names(r *openapi3.Response, header string) bool {
	for name := range r.Headers {
		if http.CanonicalHeaderKey(name) == header {
			return true
		}
	}
	return false
}

func (c *contract) validate(o operation, got answer) error {
	body := []byte(got.body)
	if got.header.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	request := &http.Request{Method: o.method, URL: &url.URL{Path: o.path}, Header: http.Header{}}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: request,
			Route:   &routers.Route{Spec: c.doc, Path: o.path, PathItem: c.doc.Paths.Value(o.path), Method: o.method, Operation: o.Operation},
			Options: options,
		},
		Status:  got.status,
		Header:  got.header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: options,
	})
}
