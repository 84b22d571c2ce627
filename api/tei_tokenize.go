package api

import (
	"context"
	"strconv"

	"github.com/quadrate-maas/quadrate/models"
)

const (
	// bytesPerShown is about what one token takes in an answer.
	bytesPerShown = 72
	// textShare is the part of Options.MaxStateBytes that a request to /tokenize may have as
	// text: at worst each byte is a token, which is shown in far more bytes.
	textShare = 16
)

// tokenization is a decoded request to /tokenize.
type tokenization struct {
	model      string
	texts      textList
	addSpecial bool
	prompt     string
	extra      models.Extra
}

// teiTokenize answers [[{id, text, special, start, stop}, …] for each text]; start and stop are
// bytes of the text, and null for tokens that the model adds.
func (s *Server) teiTokenize(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	t := tokenization{addSpecial: true, extra: models.Extra{Dialect: models.DialectTEI}}
	if err := decodeRequest(data, &t.extra, s.tokenizeField(&t)); err != nil {
		return err
	}
	tokens, err := s.tokenize(ctx, x, &t)
	if err != nil {
		return relabel(err, func(param string) string {
			if i, ok := itemOf(param, "texts"); ok {
				return t.texts.item(i)
			}
			return param
		})
	}
	body, err := x.encodeTokens(tokens)
	if err != nil {
		return err
	}
	x.answer(body)
	return nil
}

func (s *Server) tokenizeField(t *tokenization) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &t.model)
		case "inputs":
			err = r.textsField(name, s.options.MaxInputs, &t.texts)
		case "add_special_tokens":
			err = r.boolField(name, &t.addSpecial)
		case "prompt_name":
			err = r.stringField(name, &t.prompt)
		default:
			return false, nil
		}
		return true, err
	}
}

// tokenize checks a decoded request and calls its model.
func (s *Server) tokenize(ctx context.Context, x *call, t *tokenization) ([][]models.Token, error) {
	list := t.texts.inputs()
	if err := list.check("inputs", s.options.MaxInputs); err != nil {
		return nil, err
	}
	bytes := 0
	for _, text := range t.texts.texts {
		bytes += len(text)
	}
	if limit := s.options.MaxStateBytes / textShare; int64(bytes) > limit {
		return nil, models.Errorf(models.KindTooLarge, "inputs has %d bytes of text; one request may have %d (a %dth of server.max_state_bytes)", bytes, limit, textShare).At("inputs")
	}
	x.event.Items = list.given
	entry, err := x.admitAny(ctx, t.model, estimateTexts(t.texts.texts))
	if err != nil {
		return nil, err
	}
	model, err := entry.Tokenizer()
	if err != nil {
		return nil, err
	}
	result, err := model.Tokenize(ctx, models.TokenizeRequest{
		Texts:      t.texts.texts,
		AddSpecial: t.addSpecial,
		PromptName: t.prompt,
		Caller:     x.caller(),
		Extra:      t.extra,
	})
	if err != nil {
		return nil, err
	}
	if len(result.Tokens) != len(list.items) {
		return nil, models.Errorf(models.KindInternal, "the model answered %d of %d inputs", len(result.Tokens), len(list.items))
	}
	x.served(models.Usage{}, models.Timing{})
	return result.Tokens, nil
}

// encodeTokens writes the answer, which may be far larger than its request: while it is written
// its bytes count as those of a body do.
func (x *call) encodeTokens(texts [][]models.Token) ([]byte, error) {
	size := int64(2)
	for _, tokens := range texts {
		size += 3
		for _, token := range tokens {
			size += int64(bytesPerShown + len(token.Text))
		}
	}
	b, err := x.room(size)
	if err != nil {
		return nil, err
	}
	b = append(b, '[')
	for i, tokens := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, token := range tokens {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendToken(b, token)
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

func appendToken(b []byte, token models.Token) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, uint64(token.ID), 10)
	b = append(b, `,"text":`...)
	b = appendString(b, token.Text)
	if token.Special {
		return append(b, `,"special":true,"start":null,"stop":null}`...)
	}
	b = append(b, `,"special":false,"start":`...)
	b = strconv.AppendInt(b, int64(token.Start), 10)
	b = append(b, `,"stop":`...)
	b = strconv.AppendInt(b, int64(token.Stop), 10)
	return append(b, '}')
}

// decoding is a decoded request to /decode.
type decoding struct {
	model string
	ids   inputList
	skip  bool
	extra models.Extra
}

// teiDecode answers ["text" for each list of ids]; one list may be given alone.
func (s *Server) teiDecode(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	d := decoding{skip: true, extra: models.Extra{Dialect: models.DialectTEI}}
	if err := decodeRequest(data, &d.extra, s.decodeField(&d)); err != nil {
		return err
	}
	texts, err := s.decode(ctx, x, &d)
	if err != nil {
		return relabel(err, d.own)
	}
	b := append(x.buffer(), '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	x.answer(append(b, ']'))
	return nil
}

func (s *Server) decodeField(d *decoding) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &d.model)
		case "ids":
			d.ids, err = r.idsField(name, s.options.MaxInputs)
		case "skip_special_tokens":
			err = r.boolField(name, &d.skip)
		default:
			return false, nil
		}
		return true, err
	}
}

// idsField takes a list of token ids, or a list of such lists.
func (r *jsonReader) idsField(field string, limit int) (inputList, error) {
	in := inputReader{jsonReader: r, field: field, limit: limit}
	present, err := r.optional(field, kindList)
	if !present {
		return in.list, err
	}
	in.list.listed = true
	var flat []uint32
	err = r.list(func(i int) error {
		k, err := r.peek()
		if i == 0 {
			in.first = k
		}
		name := at(field, i)
		switch {
		case err != nil:
			return err
		case k != kindNumber && k != kindList:
			return wrongType(name, "a token id or a list of them", k)
		case k != in.first:
			return invalid(name, "%s is %s, but %s is %s: a list must be of one kind", name, k, at(field, 0), in.first)
		case k == kindList:
			return in.item(i, k)
		}
		id, err := in.tokenID(name)
		flat = append(flat, id)
		return err
	})
	if flat != nil {
		in.list.listed = false
		in.add(models.Input{IDs: flat})
	}
	return in.list, err
}

// decode checks a decoded request and calls its model.
func (s *Server) decode(ctx context.Context, x *call, d *decoding) ([]string, error) {
	if d.ids.given == 0 {
		return nil, empty("ids", "ids is missing or empty: give at least one")
	}
	if err := checkCount("ids", d.ids.given, s.options.MaxInputs, "server.max_inputs"); err != nil {
		return nil, err
	}
	req := models.DecodeRequest{SkipSpecial: d.skip, Extra: d.extra}
	ids := 0
	for _, item := range d.ids.items {
		req.IDs = append(req.IDs, item.IDs)
		ids += len(item.IDs)
	}
	if limit := s.options.MaxStateBytes / textShare; int64(ids) > limit {
		return nil, models.Errorf(models.KindTooLarge, "ids has %d ids; one request may have %d (a %dth of server.max_state_bytes)", ids, limit, textShare).At("ids")
	}
	x.event.Items = d.ids.given
	entry, err := x.admitAny(ctx, d.model, ids)
	if err != nil {
		return nil, err
	}
	model, err := entry.Tokenizer()
	if err != nil {
		return nil, err
	}
	req.Caller = x.caller()
	texts, err := model.Decode(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(texts) != len(req.IDs) {
		return nil, models.Errorf(models.KindInternal, "the model answered %d of %d lists of ids", len(texts), len(req.IDs))
	}
	x.served(models.Usage{}, models.Timing{})
	return texts, nil
}

// own is what the request calls an id: "ids[0][3]" is "ids[3]" where one list was given alone.
func (d *decoding) own(param string) string {
	const alone = "ids[0]"
	if !d.ids.listed && len(param) > len(alone) && param[:len(alone)] == alone {
		return "ids" + param[len(alone):]
	}
	return param
}
