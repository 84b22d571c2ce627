package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// note keeps what a model tells of a call, and of a failed one as far as it knows.
func (x *call) note(u models.Usage, t models.Timing) {
	x.event.Usage, x.event.Timing = u, t
	if t.Backend != "" {
		x.event.Backend = t.Backend
		x.http.Set("X-Quadrate-Backend", t.Backend)
	}
}

// findAny is find where any model will do, whatever its tasks: of those that a request without
// a name may use it is the one called "default", or else the one that would embed, classify or
// rerank.
func (x *call) findAny(asked string) (models.Entry, error) {
	if asked != "" {
		return x.find(asked, "")
	}
	if e, ok := x.server.options.Catalog.Default(); ok && x.mayUse(e) {
		return e, nil
	}
	var first error
	for _, task := range []models.Task{models.TaskEmbed, models.TaskClassify, models.TaskRerank} {
		e, err := x.find("", task)
		if err == nil {
			return e, nil
		}
		if first == nil || models.KindOf(first) == models.KindNotFound {
			first = err
		}
	}
	if models.KindOf(first) == models.KindNotFound {
		first = models.Errorf(models.KindNotFound, "no model is named in the request, and there is none").At("model")
	}
	return models.Entry{}, first
}

// admitAny is admit for findAny.
func (x *call) admitAny(ctx context.Context, asked string, tokens int) (models.Entry, error) {
	entry, err := x.findAny(asked)
	if err != nil {
		return models.Entry{}, err
	}
	x.serves(entry)
	return entry, x.take(ctx, entry, tokens)
}

// relabel puts the names that a request has for its fields in the place of those that the
// models package has. own returns its argument where they are the same.
func relabel(err error, own func(param string) string) error {
	var e *models.Error
	if !errors.As(err, &e) || e.Param == "" || own(e.Param) == e.Param {
		return err
	}
	named := *e
	named.Param = own(e.Param)
	named.Message = strings.ReplaceAll(e.Message, e.Param, named.Param)
	return &named
}

// itemOf is the index in a param such as "input[3]" of a field.
func itemOf(param, field string) (int, bool) {
	rest, ok := strings.CutPrefix(param, field+"[")
	digits, closed := strings.CutSuffix(rest, "]")
	i, err := strconv.Atoi(digits)
	return i, ok && closed && err == nil
}

// textList is a field that is one text or a list of them, under one of several names.
type textList struct {
	field string
	texts []string
	// given counts all, also those past the limit, which are not kept.
	given int
	// listed is false for a text given alone.
	listed bool
}

// textsField takes a string or a list of strings.
func (r *jsonReader) textsField(field string, limit int, into *textList) error {
	return r.anyTextsField(field, "a string or a list of strings", limit, into, func(name string, k kind) (string, error) {
		if k != kindString {
			return "", wrongType(name, "a string", k)
		}
		return r.str()
	})
}

// anyTextsField takes one item or a list of them, each of which text makes a text of.
func (r *jsonReader) anyTextsField(field, want string, limit int, into *textList, text func(name string, k kind) (string, error)) error {
	k, err := r.peek()
	switch {
	case err != nil:
		return err
	case k == kindNull:
		return r.literal("null")
	case into.given > 0 && into.field != field:
		return invalid(field, "%s and %s are two names for one thing: give one of them", into.field, field)
	}
	*into = textList{field: field, listed: k == kindList}
	switch k {
	case kindString:
		alone, err := text(field, k)
		into.given, into.texts = 1, []string{alone}
		return err
	case kindList:
		return r.list(func(i int) error {
			k, err := r.peek()
			if err != nil {
				return err
			}
			if into.given++; into.given > limit {
				_, err = r.skip()
				return err
			}
			item, err := text(at(field, i), k)
			into.texts = append(into.texts, item)
			return err
		})
	}
	return wrongType(field, want, k)
}

// item names one text of the list.
func (l *textList) item(i int) string {
	if !l.listed {
		return l.field
	}
	return at(l.field, i)
}

// inputs are the texts as what embed takes.
func (l *textList) inputs() inputList {
	list := inputList{given: l.given, listed: l.listed}
	for _, text := range l.texts {
		list.items = append(list.items, models.Input{Text: text})
	}
	return list
}

// ordered returns the indices of scores, the best first, ties by index.
func ordered(scores []float32) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order
}
