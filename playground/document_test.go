package playground

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func document(t *testing.T) []byte {
	t.Helper()
	data, err := Document("1.2.3 \"x\"")
	require.NoError(t, err)
	return data
}

// TestDocumentIsValid also checks every example against its schema.
func TestDocumentIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(document(t))
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation()))
	require.Equal(t, `1.2.3 "x"`, doc.Info.Version)
}

// TestEveryPartIsUsed: a component that nothing refers to, or a tag without a route, is a mistake.
func TestEveryPartIsUsed(t *testing.T) {
	data := document(t)
	doc, err := openapi3.NewLoader().LoadFromData(data)
	require.NoError(t, err)
	used := func(kind, name string) {
		require.Contains(t, string(data), `"#/components/`+kind+`/`+name+`"`)
	}
	for name := range doc.Components.Schemas {
		used("schemas", name)
	}
	for name := range doc.Components.Responses {
		used("responses", name)
	}
	for name := range doc.Components.Headers {
		used("headers", name)
	}
	for name := range doc.Components.Parameters {
		used("parameters", name)
	}
	tags := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			require.NotEmpty(t, operation.Summary, "%s %s", method, path)
			require.NotEmpty(t, operation.OperationID, "%s %s", method, path)
			for _, tag := range operation.Tags {
				require.NotNil(t, doc.Tags.Get(tag), "%s %s", method, path)
				tags[tag] = true
			}
		}
	}
	require.Len(t, doc.Tags, len(tags))
}

// TestDocumentIsItsSource compares it with what another reader makes of the same YAML.
func TestDocumentIsItsSource(t *testing.T) {
	var want, got map[string]any
	require.NoError(t, yaml.Unmarshal(source, &want))
	delete(want, sharedKey)
	want["info"].(map[string]any)["version"] = "1.2.3 \"x\""
	plain, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(document(t), &got))
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(plain), string(again))
}

func TestDocumentKeepsTheOrder(t *testing.T) {
	data := document(t)
	last := 0
	for _, part := range []string{`{"openapi":`, `"info":`, `"tags":`, `"paths":`, `"/v1/embeddings":`, `"/embeddings":`, `"/v1/embed":`, `"/health":`, `"components":`} {
		at := bytes.Index(data[last:], []byte(part))
		require.GreaterOrEqual(t, at, 0, part)
		last += at
	}
}

func TestMergedPairs(t *testing.T) {
	for _, test := range []struct{ yaml, json string }{
		{"a: &a {x: 1, y: [2, null]}\nb: {<<: *a, y: two}", `{"a":{"x":1,"y":[2,null]},"b":{"x":1,"y":"two"}}`},
		{"a: &a {x: 1}\nb: {x: 0, <<: *a}", `{"a":{"x":1},"b":{"x":1}}`},
		{"a: &a {x: true}\nb: *a", `{"a":{"x":true},"b":{"x":true}}`},
		{"a: '<&>'\n'1': 1.5", `{"a":"<&>","1":1.5}`},
	} {
		var root yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(test.yaml), &root))
		var b bytes.Buffer
		require.NoError(t, appendJSON(&b, root.Content[0]))
		require.Equal(t, test.json, b.String())
	}
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte("a: {<<: 1}"), &root))
	require.EqualError(t, appendJSON(&bytes.Buffer{}, root.Content[0]), "line 1: only a mapping can be merged")
}
