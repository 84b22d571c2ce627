package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Without sets top-level fields of a tokenizer.json to null, where they are present, and
// keeps every other byte. An Encoder must be made without the file's own truncation and
// padding: left in place, they would be done by the encoder, which knows neither the special
// tokens nor the other half of a pair.
func Without(tokenizerJSON []byte, fields ...string) ([]byte, error) {
	out := make([]byte, 0, len(tokenizerJSON))
	copied := 0
	err := eachField(tokenizerJSON, func(name string, start, end int) {
		if slices.Contains(fields, name) {
			out = append(out, tokenizerJSON[copied:start]...)
			out = append(out, "null"...)
			copied = end
		}
	})
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return append(out, tokenizerJSON[copied:]...), nil
}

// eachField tells where the values of a JSON object's fields stand.
func eachField(object []byte, visit func(name string, start, end int)) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	first, err := dec.Token()
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return errors.New("it must hold a JSON object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		end := int(dec.InputOffset())
		visit(name.(string), end-len(value), end)
	}
	_, err = dec.Token()
	return err
}
