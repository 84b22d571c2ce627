package main

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stages is where a request's time went, as the server says in its answer's header.
type stages struct {
	tokenize, queue, run time.Duration
}

// stagesOf reads Server-Timing, as Quadrate writes it, or TEI's own headers; false where the
// answer has neither.
func stagesOf(h http.Header) (s stages, said bool) {
	for part := range strings.SplitSeq(h.Get("Server-Timing"), ",") {
		name, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		if place := s.place(name); place != nil {
			*place, said = fromMilliseconds(parameters["dur"]), true
		}
	}
	if said {
		return s, true
	}
	for name, header := range map[string]string{"tokenize": "X-Tokenization-Time", "queue": "X-Queue-Time", "run": "X-Inference-Time"} {
		if value := h.Get(header); value != "" {
			*s.place(name), said = fromMilliseconds(value), true
		}
	}
	return s, said
}

func (s *stages) place(name string) *time.Duration {
	switch name {
	case "tokenize":
		return &s.tokenize
	case "queue":
		return &s.queue
	case "run":
		return &s.run
	}
	return nil
}

func (s *stages) add(other stages) {
	s.tokenize += other.tokenize
	s.queue += other.queue
	s.run += other.run
}

// fromMilliseconds takes what is no number for zero.
func fromMilliseconds(text string) time.Duration {
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// split is the mean of each stage. Other is what remains of the latency: the network, HTTP and
// JSON on both sides, and in an open loop the wait for this client.
type split struct {
	Tokenize float64 `json:"tokenize"`
	Queue    float64 `json:"queue"`
	Run      float64 `json:"run"`
	Other    float64 `json:"other"`
}
