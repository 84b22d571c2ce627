package models

import "time"

// Spec is a local model as it is configured. Zero values mean "as the model's own files
// or the machine suggest".
type Spec struct {
	Name    string
	Aliases []string
	// Path is the model's folder, absolute.
	Path string
	// Tasks restricts what the model is used for; empty: all that its files can do.
	Tasks []Task
	// Variant is auto, fp32, fp16, bf16, int8, packed or trt, or the name of an ONNX file in a folder
	// that others wrote.
	Variant string
	// GPUVariant, when not empty, stands in Variant's place where a GPU runs the model.
	GPUVariant string
	// Pooling makes vectors of token states in a folder that others wrote and that does not
	// say how: cls, mean, lasttoken, …, several joined by commas. Empty: what is usual.
	Pooling string
	// Devices are the accelerators' numbers; one set of sessions each, one queue.
	Devices []int
	// Sessions of the model on each device, each of which holds its own weights; 0: auto.
	Sessions int
	// MaxLength cuts inputs to so many tokens; 0: what the model's files say.
	MaxLength int
	// Optional lets the server start when the model's files are absent.
	Optional bool
	// MaxDocumentChars cuts rerank documents to so many characters before they are
	// tokenised, counted as truncated; 0: no cut.
	MaxDocumentChars int
	Batcher          BatcherSpec
	Cache            CacheSpec
	Runtime          RuntimeSpec
}

// BatcherSpec is how a model's requests are gathered. 0 means auto, except for Delay.
type BatcherSpec struct {
	MaxItems  int
	MaxTokens int
	// Delay is how long the oldest item may wait for company while a runner is free.
	Delay           time.Duration
	QueueTimeout    time.Duration
	MaxQueuedItems  int
	MaxQueuedTokens int
}

// CacheSpec is how a model's results are kept.
type CacheSpec struct {
	// Bytes bounds what is kept; 0: nothing is.
	Bytes int64
	// TTL is how long a result is kept; 0: until its room is needed.
	TTL time.Duration
	// Rerank has what reranking computes kept too.
	Rerank bool
}

// RuntimeSpec is what runs a local model.
type RuntimeSpec struct {
	// Provider is auto, cpu, cuda, tensorrt or openvino.
	Provider string
	// Threads of one run; 0: all that this process may use.
	Threads int
	// Fallback lets the CPU serve when the provider asked for cannot be loaded.
	Fallback bool
	// GPUMemLimit is the arena's limit in bytes on each device; 0: none.
	GPUMemLimit int64
	// TensorRTCache is the folder of built engines.
	TensorRTCache string
}
