package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// laidOut parses a post-processor and shows its rows for A = 7 8 and B = 9.
func laidOut(t *testing.T, processor string) (single, pair Encoding) {
	t.Helper()
	template, err := ParseTemplate(withProcessor(processor))
	require.NoError(t, err)
	return template.forSingle().join(id(7, 8), nil), template.forPair().join(id(7, 8), id(9))
}

func TestTemplates(t *testing.T) {
	bert := [2]Encoding{
		{IDs: id(101, 7, 8, 102)},
		{IDs: id(101, 7, 8, 102, 9, 102), Types: []uint8{0, 0, 0, 0, 1, 1}},
	}
	roberta := [2]Encoding{{IDs: id(0, 7, 8, 2)}, {IDs: id(0, 7, 8, 2, 2, 9, 2)}}
	none := [2]Encoding{{IDs: id(7, 8)}, {IDs: id(7, 8, 9), Types: []uint8{0, 0, 1}}}
	cases := map[string]struct {
		processor string
		want      [2]Encoding
	}{
		"TemplateProcessing":    {bertProcessor, bert},
		"BertProcessing":        {`{"type":"BertProcessing","sep":["[SEP]",102],"cls":["[CLS]",101]}`, bert},
		"RobertaProcessing":     {robertaProcessor, roberta},
		"none":                  {`null`, none},
		"ByteLevel":             {`{"type":"ByteLevel","add_prefix_space":true}`, none},
		"Sequence":              {`{"type":"Sequence","processors":[{"type":"ByteLevel"},` + bertProcessor + `]}`, bert},
		"Sequence in Sequence":  {`{"type":"Sequence","processors":[{"type":"Sequence","processors":[` + robertaProcessor + `]}]}`, roberta},
		"Sequence of ByteLevel": {`{"type":"Sequence","processors":[{"type":"ByteLevel"}]}`, none},
		"several ids for a special token, types beyond 1": {`{"type":"TemplateProcessing",
			"single":[{"SpecialToken":{"id":"P","type_id":3}},{"Sequence":{"id":"A","type_id":2}}],
			"pair":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"P","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],
			"special_tokens":{"P":{"id":"P","ids":[4,5],"tokens":["a","b"]}}}`,
			[2]Encoding{{IDs: id(4, 5, 7, 8), Types: []uint8{3, 3, 2, 2}}, {IDs: id(7, 8, 4, 5, 9)}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			single, pair := laidOut(t, c.processor)
			require.Equal(t, c.want, [2]Encoding{single, pair})
		})
	}
}

func TestTemplateOfAFileWithoutPostProcessor(t *testing.T) {
	template, err := ParseTemplate([]byte(`{"model":{}}`))
	require.NoError(t, err)
	require.Equal(t, Template{}, template)
}

func TestBadTemplates(t *testing.T) {
	const a, b = `{"Sequence":{"id":"A","type_id":0}}`, `{"Sequence":{"id":"B","type_id":0}}`
	processing := func(single, pair string) string {
		return `{"type":"TemplateProcessing","single":[` + single + `],"pair":[` + pair + `],"special_tokens":{"E":{"id":"E","ids":[],"tokens":[]}}}`
	}
	cases := map[string]struct{ processor, want string }{
		"unknown type":            {`{"type":"Sparkle"}`, `type "Sparkle" is not supported`},
		"not an object":           {`7`, `cannot unmarshal number`},
		"no sequence":             {processing(``, a+`,`+b), `single: sequence A must appear exactly once`},
		"twice A":                 {processing(a+`,`+a, a+`,`+b), `single: sequence A must appear exactly once`},
		"single of B":             {processing(b, a+`,`+b), `single: sequence A must stand before sequence B`},
		"pair without B":          {processing(a, a), `pair: sequences A and B must appear exactly once each`},
		"pair with B twice":       {processing(a, a+`,`+b+`,`+b), `pair: sequences A and B must appear exactly once each`},
		"pair with B first":       {processing(a, b+`,`+a), `pair: sequence A must stand before sequence B`},
		"unknown sequence":        {processing(`{"Sequence":{"id":"C","type_id":0}}`, a+`,`+b), `single[0]: sequence "C" must be A or B`},
		"special token unknown":   {processing(`{"SpecialToken":{"id":"X","type_id":0}},`+a, a+`,`+b), `single[0]: special token "X" has no ids`},
		"special token empty":     {processing(a, a+`,`+b+`,{"SpecialToken":{"id":"E","type_id":0}}`), `pair[2]: special token "E" has no ids`},
		"neither":                 {processing(`{},`+a, a+`,`+b), `single[0]: a piece must be either`},
		"type id":                 {processing(`{"Sequence":{"id":"A","type_id":256}}`, a+`,`+b), `single[0]: type_id 256 is above 255`},
		"negative type id":        {processing(`{"Sequence":{"id":"A","type_id":-1}}`, a+`,`+b), `cannot unmarshal number -1`},
		"two in a Sequence":       {`{"type":"Sequence","processors":[` + bertProcessor + `,` + robertaProcessor + `]}`, `processors[1]: only one processor`},
		"unknown in a Sequence":   {`{"type":"Sequence","processors":[{"type":"Sparkle"}]}`, `processors[0]: type "Sparkle"`},
		"BertProcessing, no sep":  {`{"type":"BertProcessing","cls":["[CLS]",101]}`, `cls and sep must each be a pair`},
		"BertProcessing, no id":   {`{"type":"BertProcessing","cls":["[CLS]"],"sep":["[SEP]",102]}`, `cls and sep must each be a pair`},
		"BertProcessing, text id": {`{"type":"BertProcessing","cls":["[CLS]","x"],"sep":["[SEP]",102]}`, `cannot unmarshal string`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTemplate(withProcessor(c.processor))
			require.ErrorContains(t, err, "tokenizer.json: post_processor: ")
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := ParseTemplate([]byte(`{"post_processor":`))
	require.ErrorContains(t, err, "tokenizer.json: ")
}

func TestBadTemplateTellsAllThatIsWrong(t *testing.T) {
	_, err := ParseTemplate(withProcessor(`{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}}`))
	require.ErrorContains(t, err, "single: ")
	require.ErrorContains(t, err, "pair: ")
}
