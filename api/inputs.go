package api

import (
	"strconv"

	"github.com/quadrate-maas/quadrate/models"
)

// inputList is what a request gave to embed.
type inputList struct {
	items []models.Input
	// given counts all items, also those past the limit, which are not kept.
	given int
	// listed is false for one text, or one list of ids, given alone.
	listed bool
	// ids says that some items are token ids.
	ids bool
}

// inputReader decodes the union that "input" is: a string, a list of token ids, or a list of
// strings, of lists of token ids or of {"text"} objects.
type inputReader struct {
	*jsonReader
	field string
	limit int
	// mixed allows strings beside lists of ids, as TEI does.
	mixed bool
	first kind
	list  inputList
}

func (r *jsonReader) inputsField(field string, limit int, mixed bool) (inputList, error) {
	in := inputReader{jsonReader: r, field: field, limit: limit, mixed: mixed}
	k, err := r.peek()
	if err != nil {
		return inputList{}, err
	}
	switch k {
	case kindNull:
		err = r.literal("null")
	case kindString:
		err = in.single()
	case kindList:
		err = in.several()
	default:
		err = wrongType(field, "a string or a list", k)
	}
	return in.list, err
}

func (in *inputReader) single() error {
	text, err := in.str()
	in.add(models.Input{Text: text})
	return err
}

func (in *inputReader) several() error {
	var flat []uint32
	in.list.listed = true
	err := in.jsonReader.list(func(i int) error {
		k, err := in.peek()
		if err != nil {
			return err
		}
		if err := in.allow(i, k); err != nil {
			return err
		}
		if k == kindNumber {
			id, err := in.tokenID(at(in.field, i))
			flat = append(flat, id)
			return err
		}
		return in.item(i, k)
	})
	if flat != nil {
		in.list.listed, in.list.ids = false, true
		in.add(models.Input{IDs: flat})
	}
	return err
}

// allow checks that a list is of one kind.
func (in *inputReader) allow(i int, k kind) error {
	switch k {
	case kindString, kindNumber, kindList, kindObject:
	default:
		return wrongType(at(in.field, i), "a string or a list of token ids", k)
	}
	if i == 0 {
		in.first = k
	}
	pair := in.mixed && k != kindNumber && k != kindObject && in.first != kindNumber && in.first != kindObject
	if k != in.first && !pair {
		return invalid(at(in.field, i), "%s is %s, but %s is %s: a list must be of one kind", at(in.field, i), k, at(in.field, 0), in.first)
	}
	return nil
}

func (in *inputReader) item(i int, k kind) error {
	if in.list.given >= in.limit {
		in.list.given++
		_, err := in.skip()
		return err
	}
	var input models.Input
	var err error
	switch k {
	case kindString:
		input.Text, err = in.str()
	case kindObject:
		input.Text, err = in.textObject(at(in.field, i))
	default:
		in.list.ids = true
		input.IDs, err = in.idList(at(in.field, i))
	}
	in.add(input)
	return err
}

func (in *inputReader) idList(field string) ([]uint32, error) {
	ids := []uint32{}
	err := in.jsonReader.list(func(j int) error {
		id, err := in.tokenID(at(field, j))
		ids = append(ids, id)
		return err
	})
	return ids, err
}

func (in *inputReader) tokenID(field string) (uint32, error) {
	k, err := in.peek()
	if err != nil {
		return 0, err
	}
	const want = "a token id, a whole number from 0 to 4294967295"
	if k != kindNumber {
		return 0, wrongType(field, want, k)
	}
	text, err := in.number()
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return 0, invalid(field, "%s must be %s, not %s", field, want, shorten(string(text)))
	}
	return uint32(id), nil
}

func (in *inputReader) textObject(field string) (string, error) {
	var text string
	given := false
	err := in.object(func(name string) error {
		if name != "text" {
			_, err := in.skip()
			return err
		}
		present, err := in.optional(field+".text", kindString)
		if present {
			given = true
			text, err = in.str()
		}
		return err
	})
	if err == nil && !given {
		err = invalid(field, `%s must be a string or an object with a "text"`, field)
	}
	return text, err
}

func (in *inputReader) add(input models.Input) {
	in.list.given++
	in.list.items = append(in.list.items, input)
}

// check refuses too few and too many.
func (l inputList) check(field string, limit int) error {
	if l.given == 0 {
		return empty(field, "%s is missing or empty: give at least one text", field)
	}
	return checkCount(field, l.given, limit, "server.max_inputs")
}

func checkCount(field string, given, limit int, setting string) error {
	if given <= limit {
		return nil
	}
	return invalid(field, "%s has %d items; one request may have %d (%s)", field, given, limit, setting)
}

// TokenIDMode says what token ids on OpenAI routes are.
type TokenIDMode string

// The modes.
const (
	// TokenIDsCL100K: ids of OpenAI's cl100k_base vocabulary, whatever the model is.
	TokenIDsCL100K TokenIDMode = "cl100k_base"
	// TokenIDsModel: ids of the model's own vocabulary.
	TokenIDsModel TokenIDMode = "model"
	// TokenIDsRefuse: not taken.
	TokenIDsRefuse TokenIDMode = "refuse"
)

// resolveIDs turns token ids into what the model takes. TEI's clients send ids of the model's
// own vocabulary, whatever the mode is.
func (s *Server) resolveIDs(x *call, e *embedding) error {
	mode := s.options.TokenIDs
	if x.dialect.tei {
		mode = TokenIDsModel
	}
	switch {
	case !e.inputs.ids:
		return nil
	case mode == TokenIDsRefuse:
		return invalid(e.field, "%s holds token ids, which this server refuses (server.token_ids): send text; "+
			"in LangChain set check_embedding_ctx_length=False", e.field)
	case mode == TokenIDsCL100K:
		if err := e.inputs.decode(e.field, s.options.DecodeTokenIDs); err != nil {
			return err
		}
	}
	x.http.Set("X-Token-Ids", string(mode))
	return nil
}

// decode makes texts of token ids.
func (l inputList) decode(field string, text func(ids []uint32) (string, error)) error {
	for i, item := range l.items {
		if item.IDs == nil {
			continue
		}
		decoded, err := text(item.IDs)
		if err != nil {
			name := field
			if l.listed {
				name = at(field, i)
			}
			return invalid(name, "%s: %s; server.token_ids says what ids are read as", name, err).Because(err)
		}
		l.items[i] = models.Input{Text: decoded}
	}
	return nil
}

// checkDimensions refuses more dimensions than the model has.
func checkDimensions(wanted int, info models.Info) error {
	if info.Dimensions > 0 && wanted > info.Dimensions {
		return invalid("dimensions", "dimensions is %d; this model's vectors have %d", wanted, info.Dimensions)
	}
	return nil
}
