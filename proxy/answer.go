package proxy

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// reading makes a request's read of what takes the one value that an answer is.
func reading(take func(s *scanner, r *response) error) func(*response) error {
	return func(r *response) error {
		s := &scanner{data: r.body, answer: r}
		if err := take(s, r); err != nil {
			return err
		}
		return s.end()
	}
}

// mostBelieved is more than any request has of anything. Sums over parts of a request are far from
// what an int of 64 bits holds.
const mostBelieved = 1 << 30

// believable is a number of things that a server tells; 0 for what cannot be one.
func believable(n int) int {
	if n < 0 || n > mostBelieved {
		return 0
	}
	return n
}

// usage takes OpenAI's object, or a null. Members that are absent are 0.
func (s *scanner) usage() (models.Usage, error) {
	var u models.Usage
	if s.peek() != '{' {
		return u, s.skip()
	}
	total := 0
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			u.PromptTokens, err = s.whole()
		case "total_tokens":
			total, err = s.whole()
		case "truncated_inputs":
			u.Truncated, err = s.whole()
		default:
			err = s.skip()
		}
		return err
	})
	if u.PromptTokens = believable(u.PromptTokens); u.PromptTokens == 0 {
		u.PromptTokens = believable(total)
	}
	u.Truncated = believable(u.Truncated)
	return u, err
}

// embeddings takes OpenAI's list of vectors: {"data": [{"index", "embedding"}], "usage"}.
func (s *scanner) embeddings(req *models.EmbedRequest, result *embedded) error {
	v := newVectors(len(req.Inputs), req.Form)
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "data":
			err = s.list(func(int) error { return s.embedding(v) })
		case "usage":
			result.Usage, err = s.usage()
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.finish(s, req, result)
}

func (s *scanner) embedding(v *vectors) error {
	index := -1
	var c cell
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "index":
			index, err = s.whole()
		case "embedding":
			c, err = v.take(s, v.length())
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !c.set {
		return fmt.Errorf("the answer has no vector at index %d", index)
	}
	return v.put(index, c)
}

// readRows reads TEI's answer: a list of vectors, with the rest in headers, which used reads.
func readRows(req *models.EmbedRequest, result *embedded, used func(*response) (models.Usage, models.Timing)) func(*response) error {
	return reading(func(s *scanner, r *response) error {
		v := newVectors(len(req.Inputs), req.Form)
		if err := s.rows(v); err != nil {
			return err
		}
		result.Usage, result.Timing = used(r)
		return v.finish(s, req, result)
	})
}

// rows takes a list of vectors in the inputs' order.
func (s *scanner) rows(v *vectors) error {
	return s.list(func(i int) error {
		c, err := v.take(s, v.length())
		if err != nil {
			return err
		}
		return v.put(i, c)
	})
}

// scores gathers the scores of one answer, in any order.
type scores struct {
	list []float32
	seen []bool
}

func newScores(documents int) *scores {
	return &scores{list: make([]float32, documents), seen: make([]bool, documents)}
}

// ranking takes a list of {"index", "relevance_score" or "score"}.
func (s *scanner) ranking(into *scores) error {
	return s.list(func(int) error {
		index, given := -1, false
		var score float32
		err := s.object(func(key []byte) (err error) {
			switch string(key) {
			case "index":
				index, err = s.whole()
			case "relevance_score", "score":
				score, err = s.score()
				given = true
			default:
				err = s.skip()
			}
			return err
		})
		if err != nil {
			return err
		}
		return into.put(index, score, given)
	})
}

func (c *scores) put(i int, score float32, given bool) error {
	if err := inRange(i, len(c.list), "document"); err != nil {
		return err
	}
	switch {
	case !given:
		return fmt.Errorf("the answer has no score at index %d", i)
	case c.seen[i]:
		return fmt.Errorf("the answer has two scores with index %d", i)
	}
	c.list[i], c.seen[i] = score, true
	return nil
}

// finish returns the scores in the documents' order.
func (c *scores) finish() ([]float32, error) {
	for i, seen := range c.seen {
		if !seen {
			return nil, fmt.Errorf("the answer lacks the score of documents[%d], of %d documents", i, len(c.list))
		}
	}
	return c.list, nil
}

// results takes Cohere's answer to a rerank: {"results": [...], "usage", "meta"}. other takes
// members that only some servers have, and may be nil.
func (s *scanner) results(documents int, result *models.RerankResult, other func(key string) (known bool, err error)) error {
	c := newScores(documents)
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "results":
			return s.ranking(c)
		case "usage":
			result.Usage, err = s.usage()
			return err
		}
		known := false
		if other != nil {
			known, err = other(string(key))
		}
		if err == nil && !known {
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	result.Scores, err = c.finish()
	return err
}

// states takes the states of one input's tokens, each a list of numbers, all of one length.
func (s *scanner) states(width *int) ([][]float32, error) {
	list := [][]float32{}
	err := s.list(func(int) error {
		v, m, err := s.vector(make([]float32, 0, *width), true)
		if err != nil {
			return err
		}
		if *width == 0 {
			*width = m.count
		}
		if m.count != *width || m.count == 0 {
			return fmt.Errorf("the answer's states have %d numbers, and %d", *width, m.count)
		}
		list = append(list, v)
		return nil
	})
	if err == nil && len(list) == 0 {
		err = s.fail("an input without states")
	}
	return list, err
}

// intHeader is a header that counts something, else 0.
func intHeader(h http.Header, name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	if err != nil {
		return 0
	}
	return believable(n)
}

// milliseconds is 0 for what is no time that a server may have taken: negative, no number, or more
// than a duration can hold.
func milliseconds(ms float64) time.Duration {
	if ms >= 0 && ms < math.MaxInt64/1e6 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	return 0
}

// serverTiming reads our own header: "tokenize;dur=1.5, queue;dur=20, run;dur=3000", in
// milliseconds.
func serverTiming(h http.Header) models.Timing {
	var t models.Timing
	for _, metric := range strings.Split(h.Get("Server-Timing"), ",") {
		name, rest, _ := strings.Cut(strings.TrimSpace(metric), ";")
		text, _ := strings.CutPrefix(strings.TrimSpace(rest), "dur=")
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		d := milliseconds(ms)
		switch name {
		case "tokenize":
			t.Tokenize = d
		case "queue":
			t.Queue = d
		case "run":
			t.Run = d
		}
	}
	return t
}
