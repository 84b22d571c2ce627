package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

type task string

const (
	embed  task = "embed"
	rerank task = "rerank"
)

// Lengths count what BERT's tokenizer adds: [CLS] and [SEP] around a text, [CLS], [SEP] and
// [SEP] around a pair.
const (
	textSpecials = 2
	pairSpecials = 3
	queryWords   = 14
	minTokens    = queryWords + pairSpecials + 1
)

// W3 as published: log-normal lengths, cut at clip.
const (
	mixedMedian = 180.0
	mixedSigma  = 0.7
	mixedClip   = 512
)

// shape is what the flags and the model say of a workload's sizes.
type shape struct {
	documents int
	tokens    int // of a W1 pair
	max       int // longest text or pair the model takes
}

// workload describes requests; it holds no state, so that request i of a seed is always the same.
type workload struct {
	name   string
	task   task
	items  int
	length func(r *rand.Rand) int // tokens of one text or pair
	// background, where set, is kept running at one request in flight meanwhile.
	background *workload
}

// texts are the contents of one request. Query is empty unless the task is rerank.
type texts struct {
	query  string
	items  []string
	tokens int // intended, special tokens included
}

func workloadFor(name string, s shape) (workload, error) {
	fixed := func(tokens int) func(*rand.Rand) int {
		tokens = min(tokens, s.max)
		return func(*rand.Rand) int { return tokens }
	}
	w1 := workload{name: "W1", task: rerank, items: s.documents, length: fixed(s.tokens)}
	switch strings.ToUpper(name) {
	case "W1":
		return w1, nil
	case "W2":
		return workload{name: "W2", task: embed, items: 32, length: fixed(128)}, nil
	case "W3":
		return workload{name: "W3", task: embed, items: 1, length: mixed(s.max)}, nil
	case "W4":
		return workload{name: "W4", task: embed, items: 1, length: fixed(16)}, nil
	case "W4B":
		return workload{name: "W4b", task: embed, items: 1, length: fixed(16), background: &w1}, nil
	}
	return workload{}, fmt.Errorf("there is no %q: there are W1, W2, W3, W4, W4b", name)
}

// mixed draws W3's lengths. The whole distribution shrinks or grows with the limit, so that
// the share of texts that are cut stays as published.
func mixed(limit int) func(*rand.Rand) int {
	scale := float64(limit) / mixedClip
	return func(r *rand.Rand) int {
		n := mixedMedian * scale * math.Exp(mixedSigma*r.NormFloat64())
		return min(max(int(math.Round(n)), textSpecials+1), limit)
	}
}

// texts returns the contents of request i. Every text is drawn anew, so that no cache and no
// merging of equal inputs answers for the engine.
func (w workload) texts(seed, i uint64) texts {
	r := rand.New(rand.NewPCG(seed, i)) //nolint:gosec // reproducible on purpose
	t := texts{items: make([]string, w.items)}
	specials := textSpecials
	if w.task == rerank {
		t.query = sentence(r, queryWords)
		specials = pairSpecials + queryWords
	}
	for k := range t.items {
		n := max(w.length(r), specials+1)
		t.items[k] = sentence(r, n-specials)
		t.tokens += n
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
