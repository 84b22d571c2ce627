package upstreamtest

import (
	"cmp"
	"slices"
)

// idsOf gives an input's ids: those of a text with special tokens, those given as they are.
func (f *Fake) idsOf(in input, prompt string) []int {
	if !in.isIDs {
		return ids(f.words.encode(prompt + in.text))
	}
	known := []int{}
	for _, id := range in.ids {
		if id < vocabulary {
			known = append(known, id)
		}
	}
	return known
}

// embed gives the vector of ids, shortened and scaled as asked; 0 dimensions: all.
func (f *Fake) embed(m Model, ids []int, dimensions int, unit bool) []float32 {
	if len(ids) == 0 {
		ids = []int{idSeparator} // a blank text has a direction, too
	}
	vector := f.spaces[m.Dimensions].vector(ids)
	if dimensions > 0 && dimensions < len(vector) {
		vector = vector[:dimensions]
	}
	if unit {
		vector = normalize(vector)
	}
	return vector
}

// pair is a query and a document on the way to a score.
type pair struct {
	query, document []int
	left            bool
	raw             bool
}

// pairSpecials is how many special tokens a pair has.
const pairSpecials = 3

// length is the pair's in tokens, the special ones included.
func (p pair) length() int { return len(p.query) + len(p.document) + pairSpecials }

// fit cuts the pair to a model's length.
func (p pair) fit(m Model) pair {
	p.query, p.document = cutPair(p.query, p.document, m.MaxLength-pairSpecials, p.left)
	return p
}

func (p pair) score() float64 {
	logit := overlapLogit(p.query, p.document)
	if p.raw {
		return logit
	}
	return sigmoid(logit)
}

func (f *Fake) pairOf(query, document string) pair {
	return pair{query: ids(f.words.split(query)), document: ids(f.words.split(document))}
}

// ranked sorts rows by their scores, the highest first; equal ones keep their order.
func ranked(rows []row) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	return rows
}

// top keeps the first n; n <= 0: all.
func top(rows []row, n int) []row {
	if n > 0 && n < len(rows) {
		return rows[:n]
	}
	return rows
}

// model finds a model by its name; an empty name finds the first for the task.
func (f *Fake) model(name string, task Task) (Model, bool) {
	for _, m := range f.options.Models {
		if m.Name == name || name == "" && m.Task == task {
			return m, true
		}
	}
	return Model{}, false
}

// sorted puts labels in the order of their scores, the highest first.
func sorted(labels []string, scores []float64) []labelled {
	list := make([]labelled, len(labels))
	for i, label := range labels {
		list[i] = labelled{label: label, score: scores[i]}
	}
	slices.SortStableFunc(list, func(a, b labelled) int { return cmp.Compare(b.score, a.score) })
	return list
}
