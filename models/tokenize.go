package models

import "context"

// Tokenizer shows how a model reads text.
type Tokenizer interface {
	// Tokenize returns the tokens of each text, in input order, uncut.
	Tokenize(ctx context.Context, req TokenizeRequest) (TokenizeResult, error)
	// Decode returns the text of each list of ids. An id that is not in the vocabulary is
	// KindInvalid with Param "ids[i][j]".
	Decode(ctx context.Context, req DecodeRequest) ([]string, error)
}

// TokenizeRequest asks for the tokens of a list of texts.
type TokenizeRequest struct {
	Texts []string
	// AddSpecial adds the special tokens that the model puts around a single text.
	AddSpecial bool
	// PromptName is that of EmbedRequest.
	PromptName string
	Caller     Caller
	Extra      Extra
}

// TokenizeResult answers a TokenizeRequest: Tokens has len(Texts) entries.
type TokenizeResult struct {
	Tokens [][]Token
}

// Token is one token of a text.
type Token struct {
	ID uint32
	// Text is the part of the text that the token stands for; of a special token its name.
	Text string
	// Special says that the model put it there. Start and Stop are 0 then.
	Special bool
	// Start and Stop are the bytes of the text that the token stands for, [Start, Stop), counted
	// from the beginning of the prompt where there is one.
	Start, Stop int
}

// DecodeRequest asks for the texts of lists of token ids.
type DecodeRequest struct {
	IDs [][]uint32
	// SkipSpecial leaves special tokens out of the text.
	SkipSpecial bool
	Caller      Caller
	Extra       Extra
}
