package proxy

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/quadrate-maas/quadrate/models"
)

// What joins the answers of a request's parts.

func addUsage(to *models.Usage, u models.Usage) {
	to.PromptTokens += u.PromptTokens
	to.Truncated += u.Truncated
}

// addTiming takes the longest of each: parts are under way at the same time.
func addTiming(to *models.Timing, t models.Timing) {
	to.Tokenize, to.Queue, to.Run = max(to.Tokenize, t.Tokenize), max(to.Queue, t.Queue), max(to.Run, t.Run)
}

// joinVectors puts vectors one after the other. Where some parts have literals and others had to
// be decoded, all are.
func joinVectors(parts []embedded, form models.VectorForm) (models.EmbedResult, error) {
	if len(parts) == 1 {
		return parts[0].EmbedResult, nil
	}
	var all models.EmbedResult
	var releases []func()
	literal := true
	for _, part := range parts {
		if part.length != parts[0].length {
			return all, models.Errorf(models.KindUpstream, "the upstream answered parts of one request with vectors of %d and of %d numbers", parts[0].length, part.length)
		}
		literal = literal && part.Literals != nil
		addUsage(&all.Usage, part.Usage)
		addTiming(&all.Timing, part.Timing)
	}
	for _, part := range parts {
		if literal {
			all.Literals = append(all.Literals, part.Literals...)
			releases = append(releases, part.Release)
			continue
		}
		for _, text := range part.Literals {
			values, _, err := new(vectors).decode(cell{form: form, text: text})
			if err != nil {
				return all, err
			}
			all.Vectors = append(all.Vectors, values)
		}
		all.Vectors = append(all.Vectors, part.Vectors...)
		part.Done()
	}
	if literal {
		all.Release = func() {
			for _, release := range releases {
				if release != nil {
					release()
				}
			}
		}
	}
	return all, nil
}

func joinStates(parts []models.TokensResult, maxBytes int64) (models.TokensResult, error) {
	var all models.TokensResult
	bytes, width := int64(0), 0
	for _, part := range parts {
		all.States = append(all.States, part.States...)
		addUsage(&all.Usage, part.Usage)
		addTiming(&all.Timing, part.Timing)
	}
	for _, states := range all.States {
		if width == 0 {
			width = len(states[0])
		}
		if len(states[0]) != width {
			return all, models.Errorf(models.KindUpstream, "the upstream answered with states of %d and of %d numbers", width, len(states[0]))
		}
		bytes += 4 * int64(width) * int64(len(states))
	}
	if maxBytes > 0 && bytes > maxBytes {
		return all, models.Errorf(models.KindTooLarge, "the states of all tokens take %d bytes; one request may have %d", bytes, maxBytes).At("input")
	}
	return all, nil
}

// joinScores leaves the kind to the caller unless all parts agree on one.
func joinScores(parts []models.RerankResult) models.RerankResult {
	all := models.RerankResult{Kind: parts[0].Kind}
	for _, part := range parts {
		if part.Kind != all.Kind {
			all.Kind = ""
		}
		all.Scores = append(all.Scores, part.Scores...)
		addUsage(&all.Usage, part.Usage)
		addTiming(&all.Timing, part.Timing)
	}
	return all
}

// joinLabels takes each label's name from the first part that has it; one that no part has is
// called as Hugging Face does.
func joinLabels(parts []models.ClassifyResult) (models.ClassifyResult, error) {
	all := models.ClassifyResult{Labels: slices.Clone(parts[0].Labels)}
	for _, part := range parts {
		if len(part.Labels) != len(all.Labels) {
			return all, models.Errorf(models.KindUpstream, "the upstream answered parts of one request with %d and with %d labels", len(all.Labels), len(part.Labels))
		}
		for i, label := range part.Labels {
			if all.Labels[i] == "" {
				all.Labels[i] = label
			}
			if label != "" && label != all.Labels[i] {
				return all, models.Errorf(models.KindUpstream, "the upstream answered parts of one request with the labels %.50q and %.50q in one place", all.Labels[i], label)
			}
		}
		all.Scores = append(all.Scores, part.Scores...)
		addUsage(&all.Usage, part.Usage)
		addTiming(&all.Timing, part.Timing)
	}
	for i, label := range all.Labels {
		if label == "" {
			all.Labels[i] = "LABEL_" + strconv.Itoa(i)
		}
	}
	return all, nil
}

// sumToOne reports whether each row does, as probabilities of one label do.
func sumToOne(rows [][]float32) bool {
	for _, row := range rows {
		sum := 0.0
		for _, f := range row {
			sum += float64(f)
		}
		if math.Abs(sum-1) > 1e-3 {
			return false
		}
	}
	return true
}

// scoreKinds are in the order of what they may hold.
var scoreKinds = []models.ScoreKind{models.ScoreSigmoid, models.ScoreCosine, models.ScoreLogit}

// kindOf says what scores are where the dialect cannot: vLLM answers with sigmoids of
// cross-encoders, cosines of bi-encoders and sums of late interaction on one route. What lies in
// [0,1] is a sigmoid, what else lies in [-1,1] a cosine, and the rest unbounded; a model that once
// gave a wider kind is not taken for a narrower one later. Nothing is learnt from raw scores, nor
// where fields that nobody here knows may have asked for something else.
func (m *model) kindOf(result models.RerankResult, raw, foreign bool) models.ScoreKind {
	seen := int32(0)
	if result.Kind != "" {
		seen = int32(slices.Index(scoreKinds, result.Kind))
		if !raw && !foreign && seen >= 0 {
			m.scores.Store(seen)
		}
		return result.Kind
	}
	known := m.scores.Load()
	if raw && scoreKinds[known] != models.ScoreCosine {
		return models.ScoreLogit
	}
	for _, score := range result.Scores {
		switch {
		case score < -1-1e-5 || score > 1+1e-5:
			seen = 2
		case score < 0 || score > 1:
			seen = max(seen, 1)
		}
	}
	for !foreign && seen > known && !m.scores.CompareAndSwap(known, seen) {
		known = m.scores.Load()
	}
	return scoreKinds[max(seen, known)]
}

func oddLabels(i, got, want int) error {
	return fmt.Errorf("the answer has %d labels for inputs[%d] and %d for inputs[0]", got, i, want)
}
