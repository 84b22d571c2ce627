package models

import (
	"context"
	"time"
)

// Embedder turns texts into vectors.
type Embedder interface {
	// Embed returns one vector for each input, in input order. Either every input is
	// answered or none: a failure names the first input at fault in Error.Param.
	Embed(ctx context.Context, req EmbedRequest) (EmbedResult, error)
}

// Reranker scores documents against a query.
type Reranker interface {
	// Rerank returns one score for each document, in input order. It never sorts and
	// never cuts: that is for the caller.
	Rerank(ctx context.Context, req RerankRequest) (RerankResult, error)
}

// Input is one text to embed, or the same text as ids of the model's own vocabulary.
type Input struct {
	Text string
	// IDs, when not nil, is used in place of Text. It holds content tokens only: the
	// model adds its special tokens.
	IDs []uint32
}

// Truncate says what happens to a text longer than the model takes.
type Truncate string

// The ways to treat a text that is too long.
const (
	TruncateEnd   Truncate = ""      // keep the beginning; the default
	TruncateStart Truncate = "start" // keep the end
	TruncateNone  Truncate = "none"  // refuse, with KindTooLong
)

// Caller is who asks, as far as queueing and kept results are concerned.
type Caller struct {
	// Tag groups the requests of one key: tags take turns, whatever their number of requests.
	Tag string
	// Gone, when not nil, reports that nobody waits for the answer any more. It is asked
	// from other goroutines, just before a run, and may be asked after the call has returned.
	Gone func() bool
	// Cache says which results the caller does not want, or does not want kept.
	Cache CacheControl
}

// CacheControl is what a request asks of a cache of results, in the words of HTTP. Both have
// all items computed for this request alone.
type CacheControl struct {
	// NoCache takes no result that is kept or being computed for another.
	NoCache bool
	// NoStore also keeps none of this request's.
	NoStore bool
}

// EmbedRequest asks for the vectors of a list of inputs.
type EmbedRequest struct {
	Inputs []Input
	// PromptName picks one of the model's prompts by its exact name; unknown is KindInvalid
	// with Param "prompt_name".
	PromptName string
	// InputType is the intent in Cohere's words (search_query, search_document, query,
	// document, passage, classification, clustering); a model without a prompt for it adds none.
	InputType string
	// Dimensions cuts vectors to their first so many numbers, before the norm is taken. 0: all.
	Dimensions int
	// Raw leaves out the L2 norm.
	Raw      bool
	Truncate Truncate
	// Form is how the caller will write the vectors. A model that has them in that form may
	// answer with EmbedResult.Literals and so be spared reading and writing every number.
	Form   VectorForm
	Caller Caller
	Extra  Extra
}

// EmbedResult answers an EmbedRequest.
type EmbedResult struct {
	// Vectors has len(Inputs) entries, in input order; each has Dimensions (or the model's
	// own number of) finite numbers, of Euclidean norm 1 unless Raw. Equal inputs may share
	// one slice: do not write to it.
	Vectors [][]float32
	// Literals, when not nil, stands in the place of Vectors, which is nil then: the JSON text of
	// each vector in the form that the request named, never FormVectors. It is checked as
	// Vectors is: so many finite numbers, of the norm asked for as far as the model's server
	// keeps its word.
	Literals [][]byte
	// Release, when not nil, gives back the memory that Literals lie in; see Done.
	Release func()
	Usage   Usage
	Timing  Timing
}

// Done says that the result is not used any more. Whoever does not say so costs memory for a
// while, and does nothing wrong.
func (r EmbedResult) Done() {
	if r.Release != nil {
		r.Release()
	}
}

// RerankRequest asks how well each document answers the query.
type RerankRequest struct {
	Query     string
	Documents []string
	// Raw asks for the model's logit instead of its sigmoid. It changes nothing for
	// a bi-encoder, whose score is the cosine.
	Raw      bool
	Truncate Truncate
	// MaxTokensPerDoc cuts each document to so many tokens, special tokens not counted. 0: no cut.
	MaxTokensPerDoc int
	Caller          Caller
	Extra           Extra
}

// RerankResult answers a RerankRequest.
type RerankResult struct {
	// Scores has len(Documents) finite entries; Scores[i] belongs to Documents[i].
	Scores []float32
	// Kind says what the numbers are: sigmoid in (0,1), logit, or cosine in [-1,1].
	Kind   ScoreKind
	Usage  Usage
	Timing Timing
}

// Usage counts the tokens of a request.
type Usage struct {
	// PromptTokens counts the tokens of all inputs as the model sees them, special tokens
	// included, padding not.
	PromptTokens int
	// Truncated counts the inputs that were cut.
	Truncated int
}

// Timing says where the time of a request went. A part that a backend cannot tell is 0.
type Timing struct {
	Tokenize time.Duration
	// Queue is the longest wait of an item before the run that computed it started.
	Queue time.Duration
	// Run is the time from the start of the first of these runs to the end of the last. One that
	// another request had started counts from when this one came.
	Run time.Duration
	// Kept counts the inputs or documents that took no time, because their results were kept;
	// Shared those that were computed once together with an equal one, of this request or of
	// another at the same time.
	Kept, Shared int
	// Backend is who computed, where that is not Info.Backend: a fallback's.
	Backend string
}
