package docker

import (
	"fmt"

	"github.com/moby/moby/api/types/jsonstream"
)

// pulling is how far a pull is.
type pulling struct {
	layers map[string]*layer
	done   int
}

// layer is one of an image's; sizes are in bytes.
type layer struct {
	have, size int64 // size is 0 as long as it is not known
	fetched    bool
	done       bool
}

func newPulling() *pulling { return &pulling{layers: map[string]*layer{}} }

// take notes a message, and returns how far the pull is, in words; empty: there is nothing to say.
func (p *pulling) take(m jsonstream.Message) string {
	if m.ID == "" {
		return ""
	}
	l := p.layers[m.ID]
	switch m.Status {
	case "Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete", "Already exists":
		if l == nil {
			l = &layer{}
			p.layers[m.ID] = l
		}
	default: // of the image, not of a layer
		return ""
	}
	switch m.Status {
	case "Downloading":
		if m.Progress != nil {
			l.have, l.size = m.Progress.Current, max(l.size, m.Progress.Total)
		}
	case "Verifying Checksum", "Download complete", "Extracting":
		l.have, l.fetched = l.size, true
	case "Pull complete", "Already exists":
		if !l.done {
			p.done++
		}
		l.have, l.fetched, l.done = l.size, true, true
	}
	return p.words()
}

func (p *pulling) words() string {
	var have, size int64
	fetched := true
	for _, l := range p.layers {
		have, size, fetched = have+l.have, size+l.size, fetched && l.fetched
	}
	at := min(p.done+1, len(p.layers))
	if fetched {
		return fmt.Sprintf("unpacking layer %d of %d", at, len(p.layers))
	}
	if size == 0 {
		return fmt.Sprintf("pulling layer %d of %d", at, len(p.layers))
	}
	return fmt.Sprintf("pulling layer %d of %d, %d %% of %d MB", at, len(p.layers), 100*have/size, (size+999_999)/1_000_000)
}
