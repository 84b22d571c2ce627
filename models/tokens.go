package models

import "context"

// TokenEmbedder is what an Embedder may be besides: it gives the states of a text's tokens,
// from which others make what they need (late interaction, spans, a pooling of their own).
type TokenEmbedder interface {
	// EmbedTokens returns the states of each input, in input order. Either every input is
	// answered or none: a failure names the first input at fault in Error.Param.
	EmbedTokens(ctx context.Context, req TokensRequest) (TokensResult, error)
}

// TokensRequest asks for the token states of a list of inputs.
type TokensRequest struct {
	Inputs []Input
	// PromptName picks one of the model's prompts by its exact name; unknown is KindInvalid
	// with Param "prompt_name".
	PromptName string
	Truncate   Truncate
	// MaxBytes bounds tokens × width × 4, the size of all states together; more is KindTooLarge,
	// before anything is computed. 0: no bound.
	MaxBytes int64
	Caller   Caller
}

// TokensResult answers a TokensRequest.
type TokensResult struct {
	// States has len(Inputs) entries. States[i] has one entry for each token of input i as the
	// model sees it, special tokens included; all are finite and of one length, which need not
	// be Info.Dimensions. No norm is taken. Do not write to them.
	States [][][]float32
	Usage  Usage
	Timing Timing
}
