package api

import (
	"context"

	"github.com/quadrate-maas/quadrate/models"
)

// teiRoot serves TEI's POST /, which is whatever the model is for. Here it goes by the shape of
// the request, and where that fits two tasks by the model's own.
func (s *Server) teiRoot(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	var shape rootShape
	if err := decodeObject(data, shape.field); err != nil {
		return err
	}
	switch {
	case shape.texts:
		x.dialect = teiRerank
		var r reranking
		if err := decodeRequest(data, &r.extra, s.rerankField(&r)); err != nil {
			return err
		}
		return s.answerTEIRanking(ctx, x, &r)
	case shape.inputs == kindObject:
		return s.answerSimilarity(ctx, x, data)
	case x.classifies(shape.model):
		return s.answerPrediction(ctx, x, data)
	}
	return s.answerEmbed(ctx, x, data)
}

// rootShape is what a request shows of its kind. A value of a wrong type is left for the decoder
// of that kind to find.
type rootShape struct {
	model  string
	texts  bool
	inputs kind
}

func (q *rootShape) field(r *jsonReader, name string) (known bool, err error) {
	k, err := r.peek()
	switch {
	case err != nil:
		return false, err
	case name == "model" && k == kindString:
		return true, r.stringField(name, &q.model)
	case name == "texts":
		q.texts = k != kindNull
	case name == "inputs":
		q.inputs = k
	}
	return false, nil
}

// classifies reports whether the model asked for, or the default, is a classifier and no
// embedder.
func (x *call) classifies(asked string) bool {
	e, err := x.findAny(asked)
	return err == nil && !e.Does(models.TaskEmbed) && e.Does(models.TaskClassify)
}
