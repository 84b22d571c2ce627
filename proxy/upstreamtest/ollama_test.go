package upstreamtest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOllamaEmbeds(t *testing.T) {
	type embedded struct {
		Model      string
		Embeddings [][]float32
		Duration   int `json:"total_duration"`
		Load       int `json:"load_duration"`
		Tokens     int `json:"prompt_eval_count"`
	}
	f := New(Ollama, Options{Models: []Model{{Name: "minilm", Dimensions: 8}, {Name: "big:v2", Dimensions: 16}}})
	one := into[embedded](t, post(t, f, "/api/embed", `{"model":"minilm","input":"hello world"}`))
	require.Equal(t, "minilm", one.Model)
	require.Len(t, one.Embeddings[0], 8)
	require.Equal(t, 4, one.Tokens)
	require.Positive(t, one.Duration)
	require.Equal(t, one.Embeddings, into[embedded](t, post(t, f, "/api/embed", `{"model":"minilm:latest","input":["hello world"],"keep_alive":"10m"}`)).Embeddings)
	require.Len(t, into[embedded](t, post(t, f, "/api/embed", `{"model":"big:v2","input":["a","b"],"dimensions":3}`)).Embeddings[1], 3)
	none := post(t, f, "/api/embed", `{"model":"minilm"}`)
	require.Regexp(t, `^\{"model":"minilm","embeddings":\[\],"total_duration":\d+,"load_duration":\d+\}$`, none.body)
	require.Regexp(t, `^\{"embedding":\[[-0-9.,]+\]\}$`, post(t, f, "/api/embeddings", `{"model":"minilm","prompt":"a"}`).body)
	require.Regexp(t, `^\{"object":"list","data":\[\{"object":"embedding","embedding":"[A-Za-z0-9+/=]+","index":0\}\],"model":"minilm","usage":\{"prompt_tokens":3,"total_tokens":3\}\}\n$`, post(t, f, "/v1/embeddings", `{"model":"minilm","input":"a","encoding_format":"base64"}`).body)

	long := `"` + wordsOf(300) + `"`
	cut := into[embedded](t, post(t, f, "/api/embed", `{"model":"minilm","input":`+long+`}`))
	require.Equal(t, into[embedded](t, post(t, f, "/api/embed", `{"model":"minilm","input":"`+wordsOf(254)+`"}`)).Embeddings, cut.Embeddings)
	refused(t, post(t, f, "/api/embed", `{"model":"minilm","truncate":false,"input":`+long+`}`), 400, `{"error":"the input length exceeds the context length"}`)
}

func TestOllamaRefuses(t *testing.T) {
	f := New(Ollama, Options{})
	refused(t, post(t, f, "/api/embed", `{"model":"x","input":"a"}`), 404, `{"error":"model \"x\" not found, try pulling it first"}`)
	refused(t, post(t, f, "/api/embeddings", `{"model":"x","prompt":"a"}`), 404, `{"error":"model 'x' not found"}`)
	refused(t, post(t, f, "/v1/embeddings", `{"model":"x","input":"a"}`), 404, `{"error":{"message":"model \"x\" not found, try pulling it first","type":"not_found_error","param":null,"code":null}}`+"\n")
	refused(t, post(t, f, "/api/embed", `{"model":"fake","input":[1,2]}`), 400, `{"error":"invalid input type"}`)
	refused(t, post(t, f, "/v1/embeddings", `{"model":"fake","input":[]}`), 400, `{"error":{"message":"invalid input","type":"invalid_request_error","param":null,"code":null}}`+"\n")
	refused(t, post(t, f, "/api/embed", ``), 400, `{"error":"missing request body"}`)
	refused(t, post(t, f, "/api/embed", `{`), 400, `{"error":"unexpected EOF"}`)
	refused(t, post(t, f, "/v1/rerank", `{"query":"a","documents":["b"]}`), 404, `404 page not found`)
	require.Equal(t, 400, post(t, f, "/api/embed", `{"model":"fake","input":"a","keep_alive":"soon"}`).status)
}

func TestOllamaLists(t *testing.T) {
	f := New(Ollama, Options{Models: []Model{{Name: "minilm"}, {Name: "big:v2"}}})
	refused(t, tell(t, f, http.MethodGet, "/", ""), 200, "Ollama is running")
	type tags struct {
		Models []struct{ Name, Model, Digest string }
	}
	list := into[tags](t, tell(t, f, http.MethodGet, "/api/tags", ""))
	require.Equal(t, "minilm:latest", list.Models[0].Name)
	require.Equal(t, "big:v2", list.Models[1].Model)
	require.Len(t, list.Models[0].Digest, 64)
	refused(t, tell(t, f, http.MethodGet, "/v1/models", ""), 200, `{"object":"list","data":[{"id":"minilm:latest","object":"model","created":1785578400,"owned_by":"library"},{"id":"big:v2","object":"model","created":1785578400,"owned_by":"library"}]}`+"\n")
	require.Equal(t, 404, tell(t, f, http.MethodGet, "/health", "").status)
}
