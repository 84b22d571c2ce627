package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// templateProcessing is Hugging Face's post-processor of this name.
type templateProcessing struct {
	Single        []templatePiece          `json:"single"`
	Pair          []templatePiece          `json:"pair"`
	SpecialTokens map[string]specialTokens `json:"special_tokens"`
}

// specialTokens is what one name in a template stands for: usually one id.
type specialTokens struct {
	IDs []uint32 `json:"ids"`
}

type templatePiece struct {
	Sequence     *pieceRef
	SpecialToken *pieceRef
}

type pieceRef struct {
	ID     string `json:"id"`
	TypeID uint32 `json:"type_id"`
}

func parseTemplateProcessing(raw json.RawMessage) (Template, error) {
	var p templateProcessing
	if err := json.Unmarshal(raw, &p); err != nil {
		return Template{}, err
	}
	single, errSingle := p.layout("single", p.Single, sequenceA)
	pair, errPair := p.layout("pair", p.Pair, sequenceA, sequenceB)
	if err := errors.Join(errSingle, errPair); err != nil {
		return Template{}, err
	}
	return Template{single: single, pair: pair}, nil
}

func (p templateProcessing) layout(name string, from []templatePiece, sequences ...sequence) (layout, error) {
	pieces := make([]piece, 0, len(from))
	for i, f := range from {
		next, err := p.piece(f)
		if err != nil {
			return layout{}, fmt.Errorf("%s[%d]: %w", name, i, err)
		}
		pieces = append(pieces, next)
	}
	l := newLayout(pieces...)
	return l, l.check(name, sequences...)
}

func (p templateProcessing) piece(from templatePiece) (piece, error) {
	ref := from.Sequence
	if ref == nil {
		ref = from.SpecialToken
	}
	if ref == nil || from.Sequence != nil && from.SpecialToken != nil {
		return piece{}, errors.New("a piece must be either a Sequence or a SpecialToken")
	}
	if ref.TypeID > math.MaxUint8 {
		return piece{}, fmt.Errorf("type_id %d is above %d", ref.TypeID, math.MaxUint8)
	}
	out := piece{typeID: uint8(ref.TypeID)}
	switch {
	case from.SpecialToken != nil:
		token, ok := p.SpecialTokens[ref.ID]
		if !ok || len(token.IDs) == 0 {
			return piece{}, fmt.Errorf("special token %q has no ids in special_tokens", ref.ID)
		}
		out.ids = token.IDs
	case ref.ID == "A":
		out.sequence = sequenceA
	case ref.ID == "B":
		out.sequence = sequenceB
	default:
		return piece{}, fmt.Errorf("sequence %q must be A or B", ref.ID)
	}
	return out, nil
}
