package inference

import (
	"errors"
	"fmt"

	"github.com/quadrate-maas/quadrate/inference/onnxfile"
	"github.com/quadrate-maas/quadrate/models"
)

// role is what a graph of others is used for.
type role struct {
	task models.Task
	// dimensions is the length of what a text gets: an embedding, or logits.
	dimensions int
	graph      graph
}

// roleOf finds what a graph is for, by its outputs and what config.json says it was made for.
func roleOf(sig onnxfile.Signature, h *hub, pooling string) (role, error) {
	g, outputs, err := fingerprint(sig)
	if err != nil {
		return role{}, err
	}
	r := role{task: models.TaskEmbed, graph: g}
	logits, hasLogits := ofRank(outputs, 2, outputLogits)
	sentence, hasSentence := ofRank(outputs, 2, outputSentence)
	states, hasStates := statesOf(outputs, h.hiddenSize())
	switch {
	case hasLogits && (h.made("ForSequenceClassification") || !hasSentence && !hasStates):
		err = r.classify(logits, h)
	case hasSentence:
		err = r.embed(sentence, states, h, pooling)
	case hasStates:
		err = r.pool(states, h, pooling)
	default:
		err = unusable(sig, outputs)
	}
	return r, errors.Join(err, r.graph.output.validate(), r.graph.states.validate())
}

// statesOf returns the output with a state for each token: by its name, or by its shape where
// it is the only output.
func statesOf(outputs map[string]tensorOutput, hidden int) (tensorOutput, bool) {
	if o, ok := ofRank(outputs, 3, outputsOfStates...); ok {
		return o, true
	}
	for _, o := range outputs {
		if len(outputs) == 1 && o.rank == 3 && o.width > 0 && o.width == hidden && o.name != outputLogits {
			return o, true
		}
	}
	return tensorOutput{}, false
}

func (r *role) classify(logits tensorOutput, h *hub) error {
	if logits.width == 0 {
		logits.width = len(h.config.ID2Label)
	}
	if logits.width == 0 {
		return errors.New("neither the graph nor id2label of config.json says how many logits it gives")
	}
	r.task, r.dimensions, r.graph.output = models.TaskClassify, logits.width, logits
	if logits.width == 1 {
		r.task = models.TaskRerank
		return nil
	}
	return h.checkLabels(logits.width)
}

// embed takes the vectors that the graph itself makes.
func (r *role) embed(sentence, states tensorOutput, h *hub, pooling string) error {
	if pooling != "" {
		return fmt.Errorf("models[].pooling is set, but the graph makes its vectors itself (output %s); leave the setting empty", sentence.name)
	}
	if sentence.width == 0 {
		width, err := h.denseWidth()
		if err != nil {
			return err
		}
		if sentence.width = width; width == 0 {
			sentence.width = h.hiddenSize()
		}
	}
	if states.width == 0 {
		states.width = h.hiddenSize()
	}
	r.dimensions, r.graph.output, r.graph.states = sentence.width, sentence, states
	return nil
}

// pool makes vectors of the graph's token states.
func (r *role) pool(states tensorOutput, h *hub, pooling string) (err error) {
	if states.width == 0 {
		states.width = h.hiddenSize()
	}
	if r.graph.pooling, r.graph.assumed, err = h.pooling(pooling); err != nil {
		return err
	}
	r.dimensions, r.graph.output, r.graph.states = states.width*len(r.graph.pooling), states, states
	return nil
}

func unusable(sig onnxfile.Signature, outputs map[string]tensorOutput) error {
	hint := fmt.Sprintf("wanted is one of %s, %v, or %s of shape [batch, labels]; export the model for feature extraction", outputSentence, outputsOfStates, outputLogits)
	if o, ok := outputs[outputLogits]; ok && o.rank == 3 {
		hint = "its logits are those of a language model, one for each word of the vocabulary; export the model for feature extraction"
	} else if _, ok := outputs[outputPooler]; ok && len(outputs) == 1 {
		hint = outputPooler + " is made for training on sentence pairs and is no embedding; export the model with last_hidden_state"
	}
	return fmt.Errorf("its outputs cannot be used: %s; %s", describeOutputs(sig), hint)
}
