package models

import "context"

// Classifier scores texts, or pairs of texts, against the model's own labels.
type Classifier interface {
	// Classify returns one row of scores for each input, in input order. Either every input is
	// answered or none: a failure names the first input at fault in Error.Param ("inputs[3]").
	Classify(ctx context.Context, req ClassifyRequest) (ClassifyResult, error)
}

// ClassifyInput is one text, or a pair of them when Pair is not nil.
type ClassifyInput struct {
	Text string
	Pair *string
}

// ClassifyRequest asks for the scores of a list of inputs.
type ClassifyRequest struct {
	Inputs []ClassifyInput
	// Raw asks for logits instead of probabilities.
	Raw      bool
	Truncate Truncate
	Caller   Caller
	Extra    Extra
}

// ClassifyResult answers a ClassifyRequest.
type ClassifyResult struct {
	// Labels are the model's labels, in the order of its outputs.
	Labels []string
	// Scores has len(Inputs) rows of len(Labels) finite numbers: softmax over the labels, or the
	// sigmoid of each where a text may have several labels (Info.MultiLabel); logits when Raw, and
	// where the model was made for a regression.
	Scores [][]float32
	Usage  Usage
	Timing Timing
}
