package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// hub is what the files of a model's repository say, beside the graph: those of transformers
// and of sentence-transformers.
type hub struct {
	dir    string
	config hubConfig
	// modules are the steps of modules.json in order, by class: Transformer, Pooling, …; nil
	// without that file.
	modules []hubModule
	// notes says what had to be assumed.
	notes []string
}

type hubConfig struct {
	Architectures []string          `json:"architectures"`
	ModelType     string            `json:"model_type"`
	HiddenSize    int               `json:"hidden_size"`
	Dim           int               `json:"dim"`     // DistilBERT's hidden size
	DModel        int               `json:"d_model"` // T5's and others'
	NEmbd         int               `json:"n_embd"`  // GPT's and nomic's
	VocabSize     int               `json:"vocab_size"`
	PadTokenID    *int64            `json:"pad_token_id"`
	Positions     int               `json:"max_position_embeddings"`
	NPositions    int               `json:"n_positions"`
	ID2Label      map[string]string `json:"id2label"`
	ProblemType   string            `json:"problem_type"`
}

type hubModule struct {
	Type string `json:"type"`
	Path string `json:"path"`
}

// class is the module's class without its Python package, which has changed over the years.
func (m hubModule) class() string { return m.Type[strings.LastIndex(m.Type, ".")+1:] }

func readHub(dir string) (*hub, error) {
	h := &hub{dir: dir}
	found, err := h.read("config.json", &h.config)
	if err == nil && !found {
		err = errors.New("there is no config.json")
	}
	if err != nil {
		return nil, err
	}
	_, err = h.read("modules.json", &h.modules)
	return h, err
}

// read decodes a file of the folder, which need not be there.
func (h *hub) read(name string, into any) (found bool, err error) {
	if !filepath.IsLocal(name) {
		return false, fmt.Errorf("%s is outside the model's folder", name)
	}
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

func (h *hub) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// made reports whether an architecture of config.json ends in suffix.
func (h *hub) made(suffix string) bool {
	return slices.ContainsFunc(h.config.Architectures, func(name string) bool { return strings.HasSuffix(name, suffix) })
}

func (h *hub) hiddenSize() int {
	return firstPositive(h.config.HiddenSize, h.config.Dim, h.config.DModel, h.config.NEmbd)
}

func firstPositive(values ...int) int {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}

// poolingFlags are the keys of a Pooling module's older config.json, in the order in which
// sentence-transformers joins their vectors.
var poolingFlags = []struct {
	key  string
	kind poolKind
}{
	{"pooling_mode_cls_token", poolCLS},
	{"pooling_mode_max_tokens", poolMax},
	{"pooling_mode_mean_tokens", poolMean},
	{"pooling_mode_mean_sqrt_len_tokens", poolMeanSqrt},
	{"pooling_mode_weightedmean_tokens", poolWeighted},
	{"pooling_mode_lasttoken", poolLast},
}

// pooling finds how token states become a vector: as the folder says, else as the operator
// does (asked), else as sentence-transformers does with a folder that does not say; assumed
// tells of that.
func (h *hub) pooling(asked string) (kinds []poolKind, assumed string, err error) {
	switch {
	case h.modules != nil && asked != "":
		err = errors.New("models[].pooling is set, but the folder's modules.json names the pooling; leave the setting empty")
	case h.modules != nil:
		kinds, err = h.modulePooling()
	case asked != "":
		kinds, err = parsePooling(asked)
	case h.made("ForCausalLM"):
		kinds = []poolKind{poolLast}
		assumed = "the folder has no modules.json; pooling lasttoken is assumed, as for every decoder (models[].pooling names another)"
	default:
		kinds = []poolKind{poolMean}
		assumed = "the folder has no modules.json; pooling mean is assumed, and a model made for another gives bad vectors with it (models[].pooling: cls, …)"
	}
	return kinds, assumed, err
}

func (h *hub) modulePooling() ([]poolKind, error) {
	var classes []string
	var path string
	for _, m := range h.modules {
		switch class := m.class(); class {
		case "Dropout":
		case "Pooling":
			path = m.Path
			fallthrough
		default:
			classes = append(classes, class)
		}
	}
	steps := strings.Join(classes, ", ")
	if steps != "Transformer, Pooling" && steps != "Transformer, Pooling, Normalize" {
		return nil, fmt.Errorf("modules.json lists %s, and after its token states only Pooling and Normalize can be done here; "+
			"use an ONNX file with the output %s, or make one with scripts/export_onnx.sh", steps, outputSentence)
	}
	return h.readPooling(filepath.Join(path, "config.json"))
}

func (h *hub) readPooling(name string) ([]poolKind, error) {
	var file map[string]any
	found, err := h.read(name, &file)
	if err == nil && !found {
		err = fmt.Errorf("modules.json names %s, which is not there", name)
	}
	if err != nil {
		return nil, err
	}
	prompts, err := h.prompts()
	if err != nil {
		return nil, err
	}
	if include, ok := file["include_prompt"].(bool); ok && !include && len(prompts.Prompts) > 0 {
		return nil, fmt.Errorf("%s leaves the prompt's tokens out of the pooling (include_prompt), which is not supported", name)
	}
	switch mode := file["pooling_mode"].(type) {
	case string:
		return parsePooling(mode)
	case []any:
		return parsePooling(joined(mode))
	}
	var kinds []poolKind
	for _, flag := range poolingFlags {
		if on, ok := file[flag.key].(bool); ok && on {
			kinds = append(kinds, flag.kind)
		}
	}
	if kinds == nil {
		kinds = []poolKind{poolMean} // as sentence-transformers does
	}
	return kinds, nil
}

func joined(list []any) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ",")
}

// checkLabels compares id2label of config.json, which may be absent, with what the graph gives.
func (h *hub) checkLabels(logits int) error {
	named := len(h.config.ID2Label)
	if named > 0 && named != logits {
		return fmt.Errorf("the graph gives %d logits, and id2label of config.json names %d", logits, named)
	}
	return nil
}

// labels are the names of a graph's logits, as transformers has them where config.json does not
// say.
func (h *hub) labels(logits int) []string {
	names := numbered(logits)
	for i := range names {
		if name, ok := h.config.ID2Label[strconv.Itoa(i)]; ok {
			names[i] = name
		}
	}
	return names
}

// activation is what makes scores of logits, as transformers' pipelines have it.
func (h *hub) activation() activation {
	switch h.config.ProblemType {
	case "multi_label_classification":
		return sigmoided
	case "regression":
		return unmodified
	default:
		return softmaxed
	}
}

// normalizes reports whether the source normalises its vectors.
func (h *hub) normalizes() bool {
	return len(h.modules) > 0 && h.modules[len(h.modules)-1].class() == "Normalize"
}

// denseWidth is the width of the last Dense module's output, or 0.
func (h *hub) denseWidth() (int, error) {
	width := 0
	for _, m := range h.modules {
		if m.class() == "Dense" {
			var file struct {
				Out int `json:"out_features"`
			}
			if _, err := h.read(filepath.Join(m.Path, "config.json"), &file); err != nil {
				return 0, err
			}
			width = file.Out
		}
	}
	return width, nil
}

type hubPrompts struct {
	Prompts map[string]string `json:"prompts"`
	Default string            `json:"default_prompt_name"`
}

// prompts reads the texts to put before inputs. Empty ones are those of no effect.
func (h *hub) prompts() (p hubPrompts, err error) {
	_, err = h.read("config_sentence_transformers.json", &p)
	maps.DeleteFunc(p.Prompts, func(_, text string) bool { return text == "" })
	return p, err
}
