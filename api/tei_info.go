package api

import (
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// teiModelInfo is what TEI's clients ask before anything else. Batches are cut by what a model
// can do, so what is told of them is the largest request that is taken.
type teiModelInfo struct {
	ID                 string         `json:"model_id"`
	SHA                *string        `json:"model_sha"`
	DType              string         `json:"model_dtype"`
	ServedName         string         `json:"served_model_name"`
	Type               map[string]any `json:"model_type"`
	MaxConcurrent      int            `json:"max_concurrent_requests"`
	MaxInputLength     int            `json:"max_input_length"`
	MaxBatchTokens     int            `json:"max_batch_tokens"`
	MaxBatchRequests   *int           `json:"max_batch_requests"`
	MaxClientBatchSize int            `json:"max_client_batch_size"`
	AutoTruncate       bool           `json:"auto_truncate"`
	Tokenizers         int            `json:"tokenization_workers"`
	Version            string         `json:"version"`
	BuildSHA           *string        `json:"sha"`
	DockerLabel        *string        `json:"docker_label"`
}

// dtypes are TEI's names of the types in which a model computes.
var dtypes = map[string]string{"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

// poolings are TEI's names of the poolings that have another here.
var poolings = map[string]string{"last": "last_token", "lasttoken": "last_token"}

// teiInfo tells of the model that ?model= names, or of the default. It is open: who has no key is
// told of the default alone, and who has one of a default that it may use.
func (s *Server) teiInfo(x *call) error {
	x.dialect = teiEmbed
	asked := strings.Clone(x.http.Query("model"))
	if err := x.identify(); err != nil {
		if asked != "" {
			return err
		}
		x.event.Refused = ""
		x.who, _ = x.server.keyring().Identify("", x.start) // as without a key; nil: there is nobody without one
	}
	entry, err := x.findAny(asked)
	if err != nil {
		return err
	}
	x.event.Model = entry.Name
	info := entry.Model.Info()
	batch := s.options.MaxInputs
	if !entry.Does(models.TaskEmbed) && entry.Does(models.TaskRerank) {
		batch = s.options.MaxDocuments
	}
	x.send(200, marshal(teiModelInfo{
		ID: entry.Name, ServedName: entry.Name, DType: cmp.Or(dtypes[info.Variant], info.Variant, "unknown"), Type: teiModelType(entry, info),
		MaxConcurrent: s.connections, MaxInputLength: info.MaxLength, MaxBatchTokens: batch * info.MaxLength, MaxClientBatchSize: batch,
		AutoTruncate: true, Tokenizers: runtime.GOMAXPROCS(0), Version: s.options.Version,
	}))
	return nil
}

// teiModelType has one member, whose name is what clients look at. What a bi-encoder does first
// is embed.
func teiModelType(e models.Entry, info models.Info) map[string]any {
	tasks := e.Tasks
	switch {
	case slices.Contains(tasks, models.TaskEmbed):
		return map[string]any{"embedding": map[string]string{"pooling": cmp.Or(poolings[info.Pooling], info.Pooling, "unknown")}}
	case slices.Contains(tasks, models.TaskClassify):
		return map[string]any{"classifier": labelMaps(info.Labels)}
	}
	return map[string]any{"reranker": labelMaps([]string{"LABEL_0"})}
}

// labelMaps are labels by their numbers, and the other way round, as a model's files have them.
func labelMaps(labels []string) map[string]any {
	byID, byLabel := map[string]string{}, map[string]int{}
	for i, label := range labels {
		byID[strconv.Itoa(i)], byLabel[label] = label, i
	}
	return map[string]any{"id2label": byID, "label2id": byLabel}
}
