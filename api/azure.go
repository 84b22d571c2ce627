package api

import (
	"context"

	"github.com/quadrate-maas/quadrate/models"
)

// azureEmbeddings is openAIEmbeddings on Azure's path, which names the model: it does so for the
// caller as a whole, and wins over what a body says beside it.
func (s *Server) azureEmbeddings(ctx context.Context, x *call) error {
	model := x.pathModel()
	if model == "" {
		return models.Errorf(models.KindNotFound, "the path names no model: POST /openai/deployments/MODEL/embeddings").At("model")
	}
	return s.answerEmbeddings(ctx, x, model)
}
