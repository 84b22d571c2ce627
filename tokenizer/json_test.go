package tokenizer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutTruncationAndPadding(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"both": {
			`{"version":"1.0","truncation":{"max_length":128,"strategy":"LongestFirst"},"padding":{"strategy":{"Fixed":128}},"model":{"vocab":{"a":0}}}`,
			`{"version":"1.0","truncation":null,"padding":null,"model":{"vocab":{"a":0}}}`,
		},
		"spaces, numbers, escapes and order stay": {
			"{ \"model\" : [1.50, -0.0, 1e-7, 12345678901234567890, \"<\\u00e9>\\/\"],\n \"padding\" : { } , \"z\":1, \"truncation\"\t:\t[ ]\n}\n",
			"{ \"model\" : [1.50, -0.0, 1e-7, 12345678901234567890, \"<\\u00e9>\\/\"],\n \"padding\" : null , \"z\":1, \"truncation\"\t:\tnull\n}\n",
		},
		"null already":    {`{"truncation":null,"padding":null}`, `{"truncation":null,"padding":null}`},
		"absent":          {`{"model":{}}`, `{"model":{}}`},
		"only below":      {`{"model":{"truncation":{"max_length":1},"padding":2}}`, `{"model":{"truncation":{"max_length":1},"padding":2}}`},
		"a name as value": {`{"a":"truncation","b":"padding","padding":7}`, `{"a":"truncation","b":"padding","padding":null}`},
		"twice":           {`{"padding":1,"padding":2}`, `{"padding":null,"padding":null}`},
		"empty":           {`{}`, `{}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := []byte(c.in)
			got, err := Without(in, "truncation", "padding")
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			require.Equal(t, c.in, string(in), "the input must not change")
			require.True(t, json.Valid(got))
		})
	}
}

func TestWithoutTruncationAndPaddingOfNoObject(t *testing.T) {
	for _, in := range []string{``, `[]`, `7`, `{`, `{"a"`, `{"a":}`, `{"a":1`, `{"a":[1,}`, `{7:1}`, "\xff"} {
		_, err := Without([]byte(in), "truncation", "padding")
		require.ErrorContains(t, err, "tokenizer.json: ", "%q", in)
	}
}

func TestWithoutTruncationAndPaddingOfALargeVocabulary(t *testing.T) {
	vocab := `["` + strings.Repeat("x", 1<<20) + `",-1.25]`
	got, err := Without([]byte(`{"model":`+vocab+`,"padding":{"a":{"b":[]}}}`), "truncation", "padding")
	require.NoError(t, err)
	require.Equal(t, `{"model":`+vocab+`,"padding":null}`, string(got))
}
