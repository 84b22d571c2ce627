// Package workload makes the texts of the benchmarks' workloads: their number, their lengths
// in tokens and their words, the same for the same seed.
//
// It knows no HTTP, no model and no tokenizer: a word is one token by the choice of words.
package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Task is what a request asks for.
type Task string

// The tasks.
const (
	Embed  Task = "embed"
	Rerank Task = "rerank"
)

// Names lists the workloads.
func Names() []string { return []string{"W1", "W2", "W3", "W4", "W4b", "W5"} }

// Lengths count what BERT's tokenizer adds: [CLS] and [SEP] around a text, [CLS], [SEP] and
// [SEP] around a pair.
const (
	textSpecials = 2
	pairSpecials = 3
	queryWords   = 14

	// MinTokens is the shortest pair there can be.
	MinTokens = queryWords + pairSpecials + 1
)

// W3 as published: log-normal lengths, cut at clip.
const (
	mixedMedian = 180.0
	mixedSigma  = 0.7

	// MixedClip is W3's longest text, where the model takes it.
	MixedClip = 512
)

// Shape is what the caller and the model say of a workload's sizes.
type Shape struct {
	Documents int
	// Tokens of a W1 pair, at least MinTokens.
	Tokens int
	// Max is the longest text or pair the model takes, in tokens.
	Max int
	// RerankOnly makes W5's requests those of W1, for a model that does not embed.
	RerankOnly bool
}

// Workload describes requests; it holds no state, so that request i of a seed is always the same.
type Workload struct {
	Name string
	Task Task
	// Items are the texts or pairs of a request.
	Items int
	// Background, where set, is kept running at one request in flight meanwhile.
	Background *Workload
	// Ramp asks for an open loop whose rate rises until the server is past its knee.
	Ramp bool

	length func(r *rand.Rand) int // tokens of one text or pair
}

// Texts are the contents of one request. Query is empty unless the task is Rerank.
type Texts struct {
	Query string
	Items []string
	// Tokens is the sum over the items as they are meant, special tokens included.
	Tokens int
}

// For returns the workload of that name; upper and lower case are the same.
func For(name string, s Shape) (Workload, error) {
	fixed := func(tokens int) func(*rand.Rand) int {
		tokens = min(tokens, s.Max)
		return func(*rand.Rand) int { return tokens }
	}
	w1 := Workload{Name: "W1", Task: Rerank, Items: s.Documents, length: fixed(s.Tokens)}
	w3 := Workload{Name: "W3", Task: Embed, Items: 1, length: mixed(s.Max)}
	switch strings.ToUpper(name) {
	case "W1":
		return w1, nil
	case "W2":
		return Workload{Name: "W2", Task: Embed, Items: 32, length: fixed(128)}, nil
	case "W3":
		return w3, nil
	case "W4":
		return Workload{Name: "W4", Task: Embed, Items: 1, length: fixed(16)}, nil
	case "W4B":
		return Workload{Name: "W4b", Task: Embed, Items: 1, length: fixed(16), Background: &w1}, nil
	case "W5":
		w5 := w3
		if s.RerankOnly {
			w5 = w1
		}
		w5.Name, w5.Ramp = "W5", true
		return w5, nil
	}
	return Workload{}, fmt.Errorf("there is no %q: there are %s", name, strings.Join(Names(), ", "))
}

// mixed draws W3's lengths. The whole distribution shrinks or grows with the limit, so that
// the share of texts that are cut stays as published.
func mixed(limit int) func(*rand.Rand) int {
	scale := float64(limit) / MixedClip
	return func(r *rand.Rand) int {
		n := mixedMedian * scale * math.Exp(mixedSigma*r.NormFloat64())
		return min(max(int(math.Round(n)), textSpecials+1), limit)
	}
}

// Texts returns the contents of request i. Every text is drawn anew, so that no cache and no
// merging of equal inputs answers for the engine.
func (w Workload) Texts(seed, i uint64) Texts {
	r := rand.New(rand.NewPCG(seed, i)) //nolint:gosec // reproducible on purpose
	t := Texts{Items: make([]string, w.Items)}
	specials := textSpecials
	if w.Task == Rerank {
		t.Query = sentence(r, queryWords)
		specials = pairSpecials + queryWords
	}
	for k := range t.Items {
		n := max(w.length(r), specials+1)
		t.Items[k] = sentence(r, n-specials)
		t.Tokens += n
	}
	return t
}

func sentence(r *rand.Rand, words int) string {
	var b strings.Builder
	b.Grow(7 * words)
	for k := range words {
		if k > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(vocabulary[r.IntN(len(vocabulary))])
	}
	return b.String()
}

// vocabulary holds words that are one token each for WordPiece as BERT has it and for most
// vocabularies of subwords.
var vocabulary = strings.Fields(`
the time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work
government number night point home water room mother area money story fact month lot right
study book eye job word business issue side kind head house service friend father power hour
game line end member law car city community name president team minute idea kid body
information back parent face others level office door health person art war history party
result change morning reason research girl guy moment air teacher force education foot boy
age policy music market sense nation plan college interest death experience effect use class
control care field development role effort rate heart drug show leader light voice wife
police mind price report decision son view relationship town road arm difference value
building action season society tax director position player record paper space ground form
event official matter center couple site project activity star table need court oil
situation cost industry figure street image phone data picture practice piece land product
doctor wall patient worker news test movie north love support technology step baby computer
type film tree source hair window culture chance brother energy period course summer plant
opportunity term letter condition choice rule daughter south husband floor campaign material
population call economy hospital church risk fire future bank west sport board subject
officer rest behavior performance fight top goal second bed order author blood agency
nature color store sound movement page race concern series language response animal factor
decade article east artist scene stock career treatment approach size dog fund media sign
thought list quality pressure answer resource meeting disease success cup amount ability
staff character growth loss degree attack region television box training trade deal election
feeling standard bill message analysis benefit sex lawyer section glass skill sister
professor operation crime stage authority design sort knowledge gun station strategy truth`)
