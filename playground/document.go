package playground

import (
	"bytes"
	_ "embed" // openapi.yaml
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var source []byte

// sharedKey holds the anchors that the source uses several times. It is not part of the document.
const sharedKey = "x-shared"

// Document is the OpenAPI document as JSON, in the order of its source, of a server of that
// version.
func Document(version string) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, fmt.Errorf("playground: openapi.yaml: %w", err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("playground: openapi.yaml is not one mapping")
	}
	document := root.Content[0]
	remove(document, sharedKey)
	if at := find(find(document, "info"), "version"); at != nil {
		*at = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: version}
	}
	var b bytes.Buffer
	if err := appendJSON(&b, document); err != nil {
		return nil, fmt.Errorf("playground: openapi.yaml: %w", err)
	}
	return b.Bytes(), nil
}

// find returns the value of a mapping's key; nil: it has none.
func find(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func remove(mapping *yaml.Node, key string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content = append(mapping.Content[:i:i], mapping.Content[i+2:]...)
			return
		}
	}
}

// appendJSON writes a node as JSON, in its order and with what its aliases and merges stand for.
func appendJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return appendJSON(b, n.Alias)
	case yaml.MappingNode:
		return appendMapping(b, n)
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return err
	}
	return appendScalar(b, value)
}

func appendMapping(b *bytes.Buffer, n *yaml.Node) error {
	var list pairs
	if err := list.add(n); err != nil {
		return err
	}
	b.WriteByte('{')
	for i, p := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := appendScalar(b, p.key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := appendJSON(b, p.value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func appendScalar(b *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - len("\n"))
	return nil
}

type pair struct {
	key   string
	value *yaml.Node
}

type pairs []pair

// add takes a mapping's pairs. What is merged with << stands where it is merged, and gives way
// to the mapping's own.
func (l *pairs) add(n *yaml.Node) error {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: only a mapping can be merged", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			if err := l.add(value); err != nil {
				return err
			}
			continue
		}
		l.set(strings.TrimSpace(key.Value), value)
	}
	return nil
}

func (l *pairs) set(key string, value *yaml.Node) {
	for i := range *l {
		if (*l)[i].key == key {
			(*l)[i].value = value
			return
		}
	}
	*l = append(*l, pair{key, value})
}
