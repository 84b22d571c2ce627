package api

// openAIPaths, and the like, are the paths of one route each; clients differ in what they take
// the base address to be.
var (
	openAIPaths = []string{"/v1/embeddings", "/embeddings"}
	coherePaths = []string{"/v1/rerank", "/v2/rerank", "/reranking", "/v1/v2/rerank"}
	vllmPaths   = []string{"/v1/score", "/score"}
)

// dialects are the routes that call models.
func (s *Server) dialects() {
	for _, path := range openAIPaths {
		s.post(path, openAI, s.openAIEmbeddings)
	}
	s.post("/openai/deployments/*/embeddings", openAI, s.azureEmbeddings)
	for _, path := range coherePaths {
		s.post(path, openAI, s.cohereRerank)
	}
	s.post("/v1/embed", openAI, s.cohereEmbed(1))
	s.post("/v2/embed", openAI, s.cohereEmbed(2))
	for _, path := range vllmPaths {
		s.post(path, openAI, s.vllmScore)
	}
	s.post("/rerank", openAI, s.eitherRerank)
	s.post("/embed", teiEmbed, s.teiEmbed)
	s.post("/embed_all", teiEmbed, s.teiEmbedAll)
	s.post("/predict", teiEmbed, s.teiPredict)
	s.post("/similarity", teiEmbed, s.teiSimilarity)
	s.post("/tokenize", teiEmbed, s.teiTokenize)
	s.post("/decode", teiEmbed, s.teiDecode)
	s.post("/", teiEmbed, s.teiRoot)
	s.get("/info", s.teiInfo)
}
