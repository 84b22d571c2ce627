package api

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

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

// browses reports whether a browser asks for the server's address as if for a page. Clients that
// take anything, as curl does, are told that the path is POST's.
func (x *call) browses() bool {
	read := x.event.Method == fiber.MethodGet || x.event.Method == fiber.MethodHead
	return read && x.http.Path() == "/" && strings.Contains(x.http.Get(fiber.HeaderAccept), fiber.MIMETextHTML)
}

// leadToPages sends a browser to the playground, which is open as the redirection is.
func (x *call) leadToPages() {
	x.event.Route = "/"
	x.send(fiber.StatusFound, nil)
	header := &x.http.Response().Header
	header.Del(fiber.HeaderAllow)
	header.Del(fiber.HeaderContentType)
	header.SetNoDefaultContentType(true)
	x.http.Set(fiber.HeaderLocation, "/playground")
	x.http.Vary(fiber.HeaderAccept)
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
