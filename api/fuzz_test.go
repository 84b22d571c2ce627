package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// generic reads any value with a jsonReader, as encoding/json reads it into an any.
func generic(r *jsonReader) (any, error) {
	k, err := r.peek()
	if err != nil {
		return nil, err
	}
	switch k {
	case kindString:
		return r.str()
	case kindNumber:
		text, err := r.number()
		return json.Number(text), err
	case kindBool:
		return r.boolean()
	case kindNull:
		return nil, r.literal("null")
	case kindList:
		list := []any{}
		err := r.list(func(int) error {
			v, err := generic(r)
			list = append(list, v)
			return err
		})
		return list, err
	}
	object := map[string]any{}
	return object, r.object(func(key string) error {
		v, err := generic(r)
		object[key] = v
		return err
	})
}

// FuzzJSONReader compares the reader with encoding/json: both take the same texts, and read
// the same values from them.
func FuzzJSONReader(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `1.5e-7`, `1E+3`, `01`, `1.`, `.5`, `-`, `"\u00e9\n\"\\\/"`, `"\ud800"`, `"\ud83d\ude00"`, "\"\xff\"", "\"\x00\"",
		`{"a":{"b":[1,"x",null,[],{}]},"a":2}`, ` [ 1 , 2 ] `, `[1,]`, `{"a"}`, `{"a":1,}`, `tru`, `nulll`, `"abc`, `"\x"`, `[[[[[]]]]]`, "\t\r\n 1 \x0b", `{"":""}`, `"\u12"`, `1e999`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &jsonReader{data: data}
		got, err := generic(r)
		if err == nil {
			err = r.end()
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var want any
		if wantErr := decoder.Decode(&want); wantErr != nil || !json.Valid(data) {
			require.Error(t, err)
			require.Equal(t, models.KindInvalid, models.KindOf(err))
			return
		}
		if err != nil && strings.Contains(err.Error(), "nested deeper") {
			return
		}
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(want, got), "%#v is not %#v", got, want)

		r = &jsonReader{data: data}
		text, err := r.skip()
		require.NoError(t, err)
		require.Equal(t, string(bytes.Trim(data, " \t\r\n")), string(text))
	})
}

// FuzzRequests checks the decoders of every route: no panic, nothing kept past its limit,
// text that is UTF-8, and a message that is fit to be shown.
func FuzzRequests(f *testing.F) {
	for _, b := range append(badBodies, badDialects...) {
		f.Add([]byte(b.body))
	}
	f.Add([]byte(`{"model":"m","input":["a",""],"encoding_format":"base64","dimensions":2,"truncate":"START"}`))
	f.Add([]byte(`{"query":"q","documents":["a",{"text":"b","title":1}],"rank_fields":["title","text"],"top_n":1}`))
	f.Add([]byte(`{"inputs":[{"content":[{"type":"text","text":"a"}]}],"embedding_types":["int8"]}`))
	f.Add([]byte(`{"inputs":{"source_sentence":"a","sentences":["b"]},"parameters":{"truncate":false},"ids":[[1],[2]]}`))
	s := &Server{options: Options{MaxInputs: 4, MaxDocuments: 4}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var openai, tei embedding
		var r reranking
		var q scoring
		var cohere cohereEmbedding
		var p prediction
		var same similarity
		var tokens tokenization
		var ids decoding
		var root rootShape
		for _, field := range []fieldReader{
			s.openAIEmbeddingField(&openai), s.teiEmbedField(&tei), s.rerankField(&r), s.scoreField(&q), s.cohereEmbedField(&cohere),
			s.predictField(&p), s.similarityField(&same), s.tokenizeField(&tokens), s.decodeField(&ids), root.field,
		} {
			var extra models.Extra
			err := decodeRequest(data, &extra, field)
			require.LessOrEqual(t, len(extra.Fields), maxExtra)
			for _, unknown := range extra.Fields {
				require.True(t, json.Valid(unknown.JSON))
			}
			if err != nil {
				require.Equal(t, models.KindInvalid, models.KindOf(err))
				f := describe(err, false)
				require.Less(t, len(f.message), 1000)
				require.True(t, json.Valid(f.openAIBody()))
				require.True(t, json.Valid(f.teiBody()))
			}
		}
		_, errEither := s.decodeEither(data, &reranking{})
		require.Equal(t, decodeObject(data, s.rerankField(&reranking{})) == nil, errEither == nil)
		_ = r.documents.resolve("documents", r.rankFields)
		if s.checkScoring(&q) == nil {
			pairs := 0
			for _, g := range q.groups() {
				pairs += len(g.documents)
			}
			require.Equal(t, q.second.given, pairs)
		}
		require.LessOrEqual(t, len(p.inputs), 4)
		for _, list := range []inputList{openai.inputs, tei.inputs, cohere.texts.inputs(), same.sentences.inputs(), tokens.texts.inputs(), ids.ids} {
			require.LessOrEqual(t, len(list.items), 4)
			require.GreaterOrEqual(t, list.given, len(list.items))
			for _, item := range list.items {
				require.True(t, utf8.ValidString(item.Text))
			}
		}
		require.LessOrEqual(t, len(r.documents.texts), 4)
		require.LessOrEqual(t, len(r.texts.texts), 4)
		for _, text := range append(r.documents.texts, r.query) {
			require.True(t, utf8.ValidString(text))
		}
	})
}
