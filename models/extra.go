package models

// Dialect is a family of HTTP APIs in which a client asks.
type Dialect string

// The dialects.
const (
	DialectOpenAI Dialect = "openai" // /v1/embeddings
	DialectCohere Dialect = "cohere" // /v1/rerank, /v2/rerank, /v1/embed, /v2/embed; Jina's, too
	DialectTEI    Dialect = "tei"
	DialectVLLM   Dialect = "vllm" // /score
)

// Extra holds what a request said beyond what this package has words for. A model of ours
// ignores it; an upstream that speaks the same dialect is told it.
type Extra struct {
	Dialect Dialect
	// Fields are in the request's order; a name comes once.
	Fields []ExtraField
}

// ExtraField is one field of a JSON object that nobody here knows.
type ExtraField struct {
	Name string
	// JSON is the value as the client wrote it, syntactically correct. It may share memory with
	// the request's body: it is good for as long as the call.
	JSON []byte
}

// VectorForm is a way to write vectors as JSON.
type VectorForm string

// The forms.
const (
	// FormVectors: as []float32; the default.
	FormVectors VectorForm = ""
	// FormNumbers: each vector is a JSON list of numbers.
	FormNumbers VectorForm = "numbers"
	// FormBase64: each vector is a JSON string, base64 of little-endian float32.
	FormBase64 VectorForm = "base64"
)
