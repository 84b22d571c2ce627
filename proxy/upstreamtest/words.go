package upstreamtest

import (
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The ids of the special tokens around a text, and where those of words begin and end.
const (
	idBegin     = 101
	idSeparator = 102
	firstWordID = 1000
	vocabulary  = 30522
)

// token is one token of a text; start and stop are byte offsets in it, -1 for a special token.
type token struct {
	id          int
	text        string
	start, stop int
}

func (t token) special() bool { return t.start < 0 }

// words turns texts into tokens and back. A token is a word or one character of punctuation,
// compared without case; its id is a hash, so two words may rarely share one.
type words struct {
	mu   sync.Mutex
	seen map[int]string
}

func newWords() *words {
	w := &words{seen: map[int]string{idBegin: "[CLS]", idSeparator: "[SEP]"}}
	for word, id := range known {
		w.seen[id] = word
	}
	return w
}

// known are words whose ids are those of BERT's vocabulary, which documented examples use.
var known = map[string]int{"test": 3231, "hello": 7592, "world": 2088}

func idOf(word string) int {
	if id, is := known[word]; is {
		return id
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(word))
	return firstWordID + int(h.Sum32()%(vocabulary-firstWordID))
}

// split gives a text's tokens without the special ones.
func (w *words) split(text string) []token {
	var tokens []token
	add := func(start, stop int) {
		word := text[start:stop]
		id := idOf(strings.ToLower(word))
		tokens = append(tokens, token{id: id, text: word, start: start, stop: stop})
	}
	start := -1
	for at, r := range text {
		space, mark := unicode.IsSpace(r) || r == 0, unicode.IsPunct(r) || unicode.IsSymbol(r)
		if (space || mark) && start >= 0 {
			add(start, at)
			start = -1
		}
		switch {
		case mark:
			add(at, at+utf8.RuneLen(r))
		case !space && start < 0:
			start = at
		}
	}
	if start >= 0 {
		add(start, len(text))
	}
	w.remember(tokens)
	return tokens
}

func (w *words) remember(tokens []token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range tokens {
		if _, is := w.seen[t.id]; !is {
			w.seen[t.id] = strings.ToLower(t.text)
		}
	}
}

// encode gives a text's tokens with the special ones around them.
func (w *words) encode(text string) []token {
	return surround(w.split(text))
}

func surround(tokens []token) []token {
	begin := token{id: idBegin, text: "[CLS]", start: -1, stop: -1}
	end := token{id: idSeparator, text: "[SEP]", start: -1, stop: -1}
	return slices.Concat([]token{begin}, tokens, []token{end})
}

// decode gives the text of ids. An id below the vocabulary's size that no text has used is the
// word w and the id; one above is nothing.
func (w *words) decode(ids []int, skipSpecial bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for _, id := range ids {
		if id >= vocabulary || skipSpecial && (id == idBegin || id == idSeparator) {
			continue
		}
		word, is := w.seen[id]
		if !is {
			word = "w" + strconv.Itoa(id)
		}
		parts = append(parts, word)
	}
	return strings.Join(parts, " ")
}

func ids(tokens []token) []int {
	list := make([]int, len(tokens))
	for i, t := range tokens {
		list[i] = t.id
	}
	return list
}

// cut keeps at most limit of a text's ids, the special ones at the ends included; left drops
// words from the beginning.
func cut(all []int, limit int, left bool) []int {
	if len(all) <= limit {
		return all
	}
	first, last := 0, 0
	if len(all) > 0 && all[0] == idBegin {
		first = 1
	}
	if len(all) > 0 && all[len(all)-1] == idSeparator {
		last = 1
	}
	inner := all[first : len(all)-last]
	room := max(limit-first-last, 0)
	if left {
		inner = inner[len(inner)-room:]
	} else {
		inner = inner[:room]
	}
	return slices.Concat(all[:first], inner, all[len(all)-last:])
}

// cutPair shortens the longer of two texts' ids until both fit into room.
func cutPair(query, document []int, room int, left bool) (q, d []int) {
	excess := len(query) + len(document) - max(room, 0)
	for ; excess > 0; excess-- {
		longer := &document
		if len(query) > len(document) {
			longer = &query
		}
		if left {
			*longer = (*longer)[1:]
		} else {
			*longer = (*longer)[:len(*longer)-1]
		}
	}
	return query, document
}

// directions are the hashed directions of ids, kept because the sums are made of few.
type directions struct {
	dimensions int
	mu         sync.RWMutex
	kept       map[int][]float32
}

// of gives an id's direction; each entry is in [-0.5, 0.5).
func (d *directions) of(id int) []float32 {
	d.mu.RLock()
	kept := d.kept[id]
	d.mu.RUnlock()
	if kept != nil {
		return kept
	}
	direction := make([]float32, d.dimensions)
	seed := uint64(id)*0x9e3779b97f4a7c15 + 1
	for i := range direction {
		seed = seed*6364136223846793005 + 1442695040888963407
		direction[i] = float32(seed>>40)/(1<<24) - 0.5
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) < 4096 {
		d.kept[id] = direction
	}
	return direction
}

// vector embeds ids: the sum of their directions, those of later ones counting a little less.
func (d *directions) vector(ids []int) []float32 {
	sum := make([]float32, d.dimensions)
	for at, id := range ids {
		weight := 1 / (1 + 0.05*float32(at))
		for i, x := range d.of(id) {
			sum[i] += weight * x
		}
	}
	return sum
}

func normalize(vector []float32) []float32 {
	length := math.Sqrt(dot(vector, vector))
	if length == 0 {
		return vector
	}
	unit := make([]float32, len(vector))
	for i, x := range vector {
		unit[i] = float32(float64(x) / length)
	}
	return unit
}

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func cosine(a, b []float32) float64 {
	return dot(normalize(a), normalize(b))
}

// overlapLogit scores a document by the share of the query's words that it has and, less, by the
// share of its own words that the query has.
func overlapLogit(query, document []int) float64 {
	if len(query) == 0 || len(document) == 0 {
		return -4
	}
	return 6*share(query, document) + 2*share(document, query) - 4
}

func share(of, in []int) float64 {
	n := 0
	for _, id := range of {
		if slices.Contains(in, id) {
			n++
		}
	}
	return float64(n) / float64(len(of))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// labelLogits scores labels: 4 for one whose word the text has, else something small of its own.
func labelLogits(labels []string, ids []int) []float64 {
	logits := make([]float64, len(labels))
	for i, label := range labels {
		id := idOf(strings.ToLower(label))
		if slices.Contains(ids, id) {
			logits[i] = 4
			continue
		}
		seed := id
		for _, other := range ids {
			seed = seed*31 + other
		}
		logits[i] = -1 - float64(uint32(seed)%1000)/1000
	}
	return logits
}

func softmax(logits []float64) []float64 {
	top := slices.Max(logits)
	sum, shares := 0.0, make([]float64, len(logits))
	for i, x := range logits {
		shares[i] = math.Exp(x - top)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}
