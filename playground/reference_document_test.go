package playground

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// description is the OpenAPI document as the reference page reads it: every mapping in the order
// of its source, which kin-openapi does not keep.
type description struct {
	Info       struct{ Description string }
	Tags       []tag
	Security   []map[string]any
	Paths      ordered[ordered[operation]]
	Components struct {
		SecuritySchemes ordered[scheme] `yaml:"securitySchemes"`
		Parameters      ordered[parameter]
		Headers         ordered[header]
		Responses       ordered[response]
		Schemas         ordered[schema]
	}
}

type tag struct{ Name, Description string }

type scheme struct{ Name, Description string }

type operation struct {
	Tags                 []string
	Summary, Description string
	ID                   string `yaml:"operationId"`
	For                  string `yaml:"x-for"` // who may call, where security does not tell it
	Security             []map[string]any
	Parameters           []parameter
	RequestBody          response `yaml:"requestBody"`
	Responses            ordered[response]
}

type parameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                schema
	Example               literal
}

type header struct {
	Ref         string `yaml:"$ref"`
	Description string
	Schema      schema
	Example     literal
}

// response is also a request's body.
type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Headers     ordered[header]
	Content     ordered[media]
}

type media struct {
	Schema   schema
	Example  literal
	Examples ordered[struct{ Value literal }]
}

type schema struct {
	Ref               string `yaml:"$ref"`
	Type, Description string
	Required          []string
	Properties        ordered[schema]
	Items             *schema
	AnyOf             []schema `yaml:"anyOf"`
	Enum              []string
	Default           literal
	Minimum, Maximum  *int64
	ExclusiveMinimum  bool          `yaml:"exclusiveMinimum"`
	MinLength         int           `yaml:"minLength"`
	MinItems          *int          `yaml:"minItems"`
	MaxItems          *int          `yaml:"maxItems"`
	Codes             ordered[code] `yaml:"x-codes"`
}

// code is a value of an error's code.
type code struct {
	Status   string
	When, Do string
}

// ordered is a mapping in the order of its source.
type ordered[T any] []named[T]

type named[T any] struct {
	name  string
	value T
}

func (o *ordered[T]) UnmarshalYAML(n *yaml.Node) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		var value T
		if err := n.Content[i+1].Decode(&value); err != nil {
			return err
		}
		*o = append(*o, named[T]{n.Content[i].Value, value})
	}
	return nil
}

func (o ordered[T]) get(name string) (value T, ok bool) {
	for _, e := range o {
		if e.name == name {
			return e.value, true
		}
	}
	return value, false
}

// literal is a value as JSON; empty: there is none.
type literal string

func (l *literal) UnmarshalYAML(n *yaml.Node) error {
	var b bytes.Buffer
	err := appendJSON(&b, n)
	*l = literal(b.String())
	return err
}

// code is the value as Markdown, a string without its quotes.
func (l literal) code() string {
	if l == "" {
		return ""
	}
	return "`" + strings.Trim(string(l), `"`) + "`"
}

func describe(t *testing.T) *description {
	t.Helper()
	data, err := Document("VERSION")
	require.NoError(t, err)
	d := &description{}
	require.NoError(t, yaml.Unmarshal(data, d))
	return d
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// schema is what a reference stands for. The reference's name stays.
func (d *description) schema(s schema) schema {
	if s.Ref == "" {
		return s
	}
	named, _ := d.Components.Schemas.get(refName(s.Ref))
	named.Ref = s.Ref
	return named
}

func (d *description) parameter(p parameter) parameter {
	if p.Ref == "" {
		return p
	}
	named, _ := d.Components.Parameters.get(refName(p.Ref))
	named.Ref = p.Ref
	return named
}

func (d *description) header(h header) header {
	if h.Ref == "" {
		return h
	}
	named, _ := d.Components.Headers.get(refName(h.Ref))
	return named
}

func (d *description) response(r response) response {
	if r.Ref == "" {
		return r
	}
	named, _ := d.Components.Responses.get(refName(r.Ref))
	named.Ref = r.Ref
	return named
}
