package proxy

import (
	"fmt"
	"math"
	"slices"

	"github.com/quadrate-maas/quadrate/models"
)

// vectors gathers the vectors of one answer, in any order, and makes a result of them.
//
// Every number is looked at once, whatever the caller wants: it must be finite. Where the answer
// has the form that the caller will write, its text is handed on as it is; else, or where vectors
// must be cut or brought to norm 1, they are decoded. A norm counts as 1 within 1e-3: half
// precision is not better, and a vector that is passed on is the server's own. A vector of zeros
// has no direction and stays as it is.
//
// A server either normalises or does not. So of vectors that may be handed on as numbers only the
// first and every sampled-th after it are measured, which takes three times as long as finding
// their ends: when one of them is not of norm 1, all are decoded.
type vectors struct {
	form    models.VectorForm
	cells   []cell
	taken   int
	scratch []byte // for base64
}

// sampled: one in so many vectors is measured where none is decoded.
const sampled = 32

// cell is one vector: values, or the text of them in the answer.
type cell struct {
	measure
	set    bool
	sure   bool              // that measure.squares is known
	form   models.VectorForm // of text
	text   []byte
	values []float32
}

func newVectors(inputs int, form models.VectorForm) *vectors {
	return &vectors{form: form, cells: make([]cell, inputs)}
}

// take takes the next value, which must be a list of numbers or a string of base64.
func (v *vectors) take(s *scanner, length int) (cell, error) {
	keep := v.form == models.FormVectors
	c := cell{set: true, sure: keep || v.taken%sampled == 0}
	v.taken++
	var err error
	if keep {
		c.values = make([]float32, 0, length)
	}
	switch s.peek() {
	case '[':
		c.form = models.FormNumbers
		start := s.pos
		if c.sure {
			c.values, c.measure, err = s.vector(c.values, keep)
		} else {
			c.count, err = s.count()
		}
		c.text = s.data[start:s.pos]
	case '"':
		c.form = models.FormBase64
		start := s.pos
		inside, plain := s.plain()
		if !plain { // some servers escape + and /
			var text string
			if text, err = s.str(); err != nil {
				return c, err
			}
			inside = []byte(text)
		}
		c.values, c.measure, err = unbase64(inside, c.values, keep, &v.scratch)
		c.sure = true
		if c.text = s.data[start:s.pos]; !plain {
			c.text = slices.Concat([]byte{'"'}, inside, []byte{'"'})
		}
	default:
		err = s.unexpected("a vector")
	}
	if err == nil && c.count == 0 {
		err = s.fail("a vector without numbers")
	}
	return c, err
}

// put stores the vector of an input.
func (v *vectors) put(i int, c cell) error {
	if err := inRange(i, len(v.cells), "input"); err != nil {
		return err
	}
	if v.cells[i].set {
		return fmt.Errorf("the answer has two vectors with index %d", i)
	}
	v.cells[i] = c
	return nil
}

func inRange(i, n int, what string) error {
	if i < 0 || i >= n {
		return fmt.Errorf("the answer has index %d, of %d %ss", i, n, what)
	}
	return nil
}

// length is that of the first vector that was stored, to make room for the others.
func (v *vectors) length() int {
	if len(v.cells) > 0 {
		return v.cells[0].count
	}
	return 0
}

// check says whether each input has its vector, all of one length.
func (v *vectors) check() error {
	for i, c := range v.cells {
		switch {
		case !c.set:
			return fmt.Errorf("the answer lacks the vector of input[%d], of %d inputs", i, len(v.cells))
		case c.count != v.cells[0].count:
			return fmt.Errorf("the answer's vectors have %d numbers at input[0] and %d at input[%d]", v.cells[0].count, c.count, i)
		}
	}
	return nil
}

// finish makes the result. Vectors shorter than asked for are left for the model to refuse.
func (v *vectors) finish(s *scanner, req *models.EmbedRequest, result *embedded) error {
	if err := v.check(); err != nil {
		return err
	}
	result.length = v.length()
	cut := len(v.cells) > 0 && req.Dimensions > 0 && v.length() > req.Dimensions
	asIs := v.form != models.FormVectors && !cut
	for _, c := range v.cells {
		asIs = asIs && c.form == v.form && (req.Raw || !c.sure || c.unit() || c.squares == 0)
	}
	if asIs {
		result.Literals = v.literals()
		if s.answer != nil {
			result.Release = s.answer.hold()
		}
		return nil
	}
	list := make([][]float32, len(v.cells))
	for i, c := range v.cells {
		values, measured, err := v.decode(c)
		if err != nil {
			return err
		}
		if cut {
			values = values[:req.Dimensions:req.Dimensions]
		}
		if !req.Raw && (cut || !measured.unit()) {
			normalise(values)
		}
		list[i] = values
	}
	result.Vectors = list
	return nil
}

// literals are the texts, which lie in the answer.
func (v *vectors) literals() [][]byte {
	list := make([][]byte, len(v.cells))
	for i, c := range v.cells {
		list[i] = c.text
	}
	return list
}

func (v *vectors) decode(c cell) ([]float32, measure, error) {
	if c.values != nil {
		return c.values, c.measure, nil
	}
	values := make([]float32, 0, c.count)
	if c.form == models.FormBase64 {
		return unbase64(c.text[1:len(c.text)-1], values, true, &v.scratch)
	}
	return (&scanner{data: c.text}).vector(values, true)
}

// normalise brings the norm to 1.
func normalise(v []float32) {
	squares := 0.0
	for _, f := range v {
		squares += float64(f) * float64(f)
	}
	if squares == 0 {
		return
	}
	scale := 1 / math.Sqrt(squares)
	for i, f := range v {
		v[i] = float32(float64(f) * scale)
	}
}
