package api

import (
	"context"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// teiEmbedAll answers the states of tokens: [[[number, …] for each token] for each input].
func (s *Server) teiEmbedAll(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	e := embedding{field: "inputs"}
	if err := decodeObject(data, s.teiEmbedAllField(&e)); err != nil {
		return err
	}
	result, err := s.embedTokens(ctx, x, &e)
	if err != nil {
		return err
	}
	body, err := x.encodeStates(result.States)
	if err != nil {
		return err
	}
	characters := 0
	for _, input := range e.inputs.items {
		characters += utf8.RuneCountInString(input.Text)
	}
	x.teiHeaders(characters, result.Usage, result.Timing)
	x.answer(body)
	return nil
}

// teiEmbedAllField takes what /embed takes, less what is done to vectors: TEI ignores it here.
func (s *Server) teiEmbedAllField(e *embedding) fieldReader {
	field := s.teiEmbedField(e)
	return func(r *jsonReader, name string) (bool, error) {
		if name == "normalize" || name == "dimensions" {
			return false, nil
		}
		return field(r, name)
	}
}

// embedTokens checks a decoded request and calls its model.
func (s *Server) embedTokens(ctx context.Context, x *call, e *embedding) (models.TokensResult, error) {
	var none models.TokensResult
	if err := e.inputs.check(e.field, s.options.MaxInputs); err != nil {
		return none, err
	}
	x.event.Items = e.inputs.given
	entry, err := x.admit(ctx, e.model, models.TaskEmbed, estimateInputs(e.inputs.items))
	if err != nil {
		return none, err
	}
	model, err := entry.TokenEmbedder()
	if err != nil {
		return none, err
	}
	if err := s.resolveIDs(x, e); err != nil {
		return none, err
	}
	result, err := model.EmbedTokens(ctx, models.TokensRequest{
		Inputs:     e.inputs.items,
		PromptName: e.prompt,
		Truncate:   e.truncation.mode(),
		MaxBytes:   s.options.MaxStateBytes,
		Caller:     x.caller(),
	})
	x.note(result.Usage, result.Timing) // as far as a failure knows them
	if err != nil {
		return none, err
	}
	if len(result.States) != len(e.inputs.items) {
		return none, models.Errorf(models.KindInternal, "the model answered %d of %d inputs", len(result.States), len(e.inputs.items))
	}
	x.served(result.Usage, result.Timing)
	return result, nil
}

// encodeStates writes the answer, which may be far larger than any request: while it is
// written its bytes count as those of a body do.
func (x *call) encodeStates(states [][][]float32) ([]byte, error) {
	size := int64(2)
	for _, tokens := range states {
		for _, state := range tokens {
			size += digitsPerNumber*int64(len(state)) + 3
		}
		size += 3
	}
	b, err := x.room(size)
	if err != nil {
		return nil, err
	}
	b = append(b, '[')
	for i, tokens := range states {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, state := range tokens {
			if j > 0 {
				b = append(b, ',')
			}
			if err := checkState(state, i); err != nil {
				return nil, err
			}
			b = appendVector(b, state)
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// room is a buffer whose bytes count as those of a body do.
func (x *call) room(size int64) ([]byte, error) {
	if !x.body.budget.take(size) {
		return nil, &refusal{row: rowBytes, message: "the server is writing too many bytes of other answers (server.bytes_in_flight); try again"}
	}
	x.body.taken += size // given back with the body's
	return make([]byte, 0, size), nil
}

func checkState(state []float32, input int) error {
	for _, f := range state {
		if !finite(f) {
			return models.Errorf(models.KindInternal, "a token's state of %s is not finite", at("input", input)).At(at("input", input))
		}
	}
	return nil
}
