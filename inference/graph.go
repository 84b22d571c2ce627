package inference

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/inference/onnxfile"
)

// graph is what one file of a model takes and gives, as far as this program uses it.
type graph struct {
	inputs, int32s []string
	output         tensorOutput
	// pooling makes vectors of output where that holds token states; nil: output is [rows, width].
	pooling []poolKind
	// assumed says what pooling had to be assumed.
	assumed string
	// states is the output of token states; its name is empty where there is none. It is that of
	// another file where statesFile names one.
	states     tensorOutput
	statesFile string
	// quantized says that some numbers are integers in the graph. Where activations are, the
	// answer to a text depends on the texts beside it, unless the graph's maker took care.
	quantized bool
}

// tensorOutput is an output of floats.
type tensorOutput struct {
	name  string
	width int // of its last axis; 0: the file does not say
	half  bool
	rank  int // 0: the file does not say
}

func (o tensorOutput) validate() error {
	if o.width > maxWidth {
		return fmt.Errorf("its output %s has %d numbers a text or token, and may have %d", o.name, o.width, maxWidth)
	}
	return nil
}

// The names that graphs give their inputs and outputs, of transformers, optimum and
// sentence-transformers.
const (
	inputIDs       = "input_ids"
	inputMask      = "attention_mask"
	inputTypes     = "token_type_ids"
	inputPositions = "position_ids"

	outputSentence = "sentence_embedding"
	outputPooler   = "pooler_output"
	outputLogits   = "logits"
)

var outputsOfStates = []string{"last_hidden_state", "token_embeddings"}

// inputHints say of inputs that cannot be given what kind of export has them.
var inputHints = []struct{ part, hint string }{
	{"past_key_values", "the graph generates text and keeps its cache; export the model for feature extraction, without a cache"},
	{"use_cache_branch", "the graph generates text and keeps its cache; export the model for feature extraction, without a cache"},
	{"decoder_", "the graph is half of an encoder and decoder; export the encoder alone"},
	{"encoder_", "the graph is half of an encoder and decoder; export the encoder alone"},
	{"pixel_values", "the graph takes images, and this server takes text"},
	{"input_features", "the graph takes sound, and this server takes text"},
	{"input_values", "the graph takes sound, and this server takes text"},
	{"inputs_embeds", "the graph begins behind the word embeddings; export the whole model"},
	{"task_id", "the graph chooses an adapter by a number; export the model with the adapter of one task merged"},
}

// fingerprint finds out how a graph is to be used. Its error names everything that is wrong.
func fingerprint(sig onnxfile.Signature) (graph, map[string]tensorOutput, error) {
	g := graph{quantized: quantized(sig.Ops)}
	var problems []error
	for _, in := range sig.Inputs {
		if err := checkInput(in); err != nil {
			problems = append(problems, err)
			continue
		}
		g.inputs = append(g.inputs, in.Name)
		if in.Type == onnxfile.Int32 {
			g.int32s = append(g.int32s, in.Name)
		}
	}
	for _, name := range []string{inputIDs, inputMask} {
		if !slices.ContainsFunc(sig.Inputs, func(v onnxfile.Value) bool { return v.Name == name }) {
			problems = append(problems, fmt.Errorf("it has no input %s", name))
		}
	}
	return g, floats(sig.Outputs), errors.Join(problems...)
}

func checkInput(in onnxfile.Value) error {
	if known := []string{inputIDs, inputMask, inputTypes, inputPositions}; !slices.Contains(known, in.Name) {
		hint := "known are " + strings.Join(known, ", ")
		for _, h := range inputHints {
			if strings.HasPrefix(in.Name, h.part) {
				hint = h.hint
			}
		}
		return fmt.Errorf("its input %s cannot be given: %s", in.Name, hint)
	}
	if in.Type != onnxfile.Int64 && in.Type != onnxfile.Int32 {
		return fmt.Errorf("its input %s is %s; it must be int64 or int32", in.Name, in.Type)
	}
	if in.Shape != nil && (len(in.Shape) != 2 || in.Shape[0].Fixed() || in.Shape[1].Fixed()) {
		return fmt.Errorf("its input %s has shape %v; it must be [batch, length] of any size: export the model with dynamic axes", in.Name, in.Shape)
	}
	return nil
}

// floats lists the outputs that are float32 or float16, by name.
func floats(outputs []onnxfile.Value) map[string]tensorOutput {
	list := map[string]tensorOutput{}
	for _, out := range outputs {
		if out.Type != onnxfile.Float && out.Type != onnxfile.Float16 {
			continue
		}
		o := tensorOutput{name: out.Name, half: out.Type == onnxfile.Float16, rank: len(out.Shape)}
		if o.rank > 0 && out.Shape[o.rank-1].Fixed() {
			o.width = int(out.Shape[o.rank-1].Size)
		}
		list[out.Name] = o
	}
	return list
}

func quantized(ops map[string]int) bool {
	for op := range ops {
		name := op[strings.LastIndex(op, ".")+1:]
		if strings.HasPrefix(name, "Q") || strings.Contains(strings.ToLower(name), "quant") || strings.Contains(name, "Integer") || strings.Contains(name, "NBits") || strings.Contains(name, "Bnb4") {
			return true
		}
	}
	return false
}

// ofRank returns the first of outputs that has one of names and, where the file says it, the rank.
func ofRank(outputs map[string]tensorOutput, rank int, names ...string) (tensorOutput, bool) {
	for _, name := range names {
		if o, ok := outputs[name]; ok && (o.rank == rank || o.rank == 0) {
			return o, true
		}
	}
	return tensorOutput{}, false
}

// describeOutputs is for messages.
func describeOutputs(sig onnxfile.Signature) string {
	var list []string
	for _, out := range sig.Outputs {
		list = append(list, fmt.Sprintf("%s %v %s", out.Name, out.Shape, out.Type))
	}
	return strings.Join(list, ", ")
}
