package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

const (
	rerankName    = "RERANK_MODEL_NAME"
	rerankMapping = "RERANK_MODEL_MAPPING"
	rerankDevice  = "RERANK_DEVICE"
	rerankMixed   = "RERANK_MIXED_PRECISION"

	// rerankModel is the local reranker when nothing names another.
	rerankModel = "BAAI/bge-reranker-v2-m3"
)

// replaced is an environment variable of a system that this one replaces and that sets
// something of the local reranker.
type replaced struct {
	name, def, doc string
	// field is the key of the model that it sets, and what is wrong without a model is told by.
	field string
	// unit is written after a number, where the variable has it in its name.
	unit string
	// set applies text to the model where that is more than parsing it as field.
	set func(m *Model, text string) error
}

// replacedNames are in the order in which they apply.
var replacedNames = []replaced{
	{name: rerankName, def: rerankModel, field: "name", doc: "the local reranker: the entry of that name or alias, which is added if there is none (its folder is the part after the last slash); the names below set keys of that entry"},
	{name: rerankMapping, def: "{}", field: "aliases", doc: "JSON of aliases to models, added to those models' `aliases`"},
	{name: "RERANK_MAX_DOCUMENT_LENGTH", def: "0", field: "max_document_chars", doc: "characters; longer documents are cut and counted as truncated; 0: no cut"},
	{name: "RERANK_MAX_BATCH_SIZE", def: "0", field: "batcher.max_items", doc: "0: auto"},
	{name: "RERANK_BATCH_DELAY_MS", def: "0", field: "batcher.delay", unit: "ms", doc: "milliseconds"},
	{name: "RERANK_QUEUE_TIMEOUT_MS", def: "5000", field: "batcher.queue_timeout", unit: "ms", doc: "milliseconds"},
	{name: rerankDevice, def: "auto", field: "provider", set: setDevice, doc: "auto, cpu, cuda, cuda:1, tensorrt, openvino; a number goes to `devices`; QUADRATE_RUNTIME_PROVIDER beats it"},
	{name: "RERANK_QUANTIZATION", def: "none", field: "variant", set: setQuantization, doc: "none, int8; none leaves `variant` as it is"},
	{name: rerankMixed, def: "false", field: "gpu_variant", set: setMixedPrecision, doc: "true: fp16 on a GPU, whatever RERANK_QUANTIZATION says for a CPU; false leaves `gpu_variant` as it is"},
}

// applyRerank applies the names of the replaced systems. They beat the file, and
// QUADRATE_RUNTIME_PROVIDER beats them.
func (l *loader) applyRerank(cfg *Config) {
	target := l.rerankTarget(cfg)
	for _, r := range replacedNames {
		v, ok := l.env[r.name]
		_, beaten := l.env[envName("runtime.provider")]
		switch {
		case !ok, r.name == rerankName, r.name == rerankDevice && beaten:
		case r.name == rerankMapping:
			l.applyMapping(cfg, v)
		case target < 0:
			l.problems.add(v.from, "", "there is no model %s for it: name the local reranker with %s, or set %s of another model in the file", rerankModel, rerankName, r.field)
		default:
			l.applyReplaced(&cfg.Models[target], modelPath(target), r, v)
		}
	}
}

// rerankTarget is the index of the local reranker, which is added when it is named and not
// there; -1 when there is none.
func (l *loader) rerankTarget(cfg *Config) int {
	v, named := l.env[rerankName]
	name := rerankModel
	if named {
		name = v.value
	}
	if i := modelIndex(cfg.Models, name); i >= 0 || !named {
		return i
	}
	m := Model{}
	at := modelPath(len(cfg.Models))
	l.fill(reflect.ValueOf(&m).Elem(), root.find("models").sub, at, l.listed)
	m.Name, m.Tasks = name, []models.Task{models.TaskRerank}
	cfg.Models = append(cfg.Models, m)
	l.settings[at] = setting{from: v.from}
	return len(cfg.Models) - 1
}

// modelIndex finds a model by its name or an alias; -1 if there is none.
func modelIndex(list []Model, name string) int {
	return slices.IndexFunc(list, func(m Model) bool { return m.Name == name || slices.Contains(m.Aliases, name) })
}

func (l *loader) applyReplaced(m *Model, at string, r replaced, v variable) {
	set := r.set
	if set == nil {
		set = func(m *Model, text string) error { return setField(m, r, text) }
	}
	l.settings[at+"."+r.field] = setting{from: v.from}
	if err := set(m, v.value); err != nil {
		l.problems.add(v.from, at+"."+r.field, "%q %v", v.value, err)
	}
}

// setField parses text as the model's key.
func setField(m *Model, r replaced, text string) error {
	if r.unit != "" {
		if _, err := strconv.Atoi(text); err != nil {
			return errors.New("is not a whole number of milliseconds")
		}
	}
	dst, s := reflect.ValueOf(m).Elem(), root.find("models").sub
	var f *field
	for _, key := range strings.Split(r.field, ".") {
		f = s.find(key)
		dst, s = dst.Field(f.index), f.sub
	}
	value, err := f.parse(text + r.unit)
	if err == nil {
		dst.Set(reflect.ValueOf(value))
	}
	return err
}

func setDevice(m *Model, text string) error {
	provider, number, numbered := strings.Cut(text, ":")
	allowed := []string{"auto", "cpu", "cuda", "tensorrt", "openvino"}
	device, err := strconv.Atoi(number)
	onGPU := provider == "cuda" || provider == "tensorrt"
	if !slices.Contains(allowed, provider) || numbered && (!onGPU || err != nil || device < 0) {
		return fmt.Errorf("is not allowed: allowed are %s, and the first GPU's number as in cuda:1", strings.Join(allowed, ", "))
	}
	m.Provider = provider
	if numbered {
		m.Devices = []int{device}
	}
	return nil
}

func setQuantization(m *Model, text string) error {
	switch text {
	case "none":
		return nil
	case "int8":
		m.Variant = text
		return nil
	}
	return errors.New("is not allowed: allowed are none, int8")
}

func setMixedPrecision(m *Model, text string) error {
	mixed, err := parseBool(text)
	if mixed {
		m.GPUVariant = "fp16"
	}
	return err
}

// applyMapping adds aliases from a JSON object of aliases to models.
func (l *loader) applyMapping(cfg *Config, v variable) {
	var mapping map[string]string
	if err := json.Unmarshal([]byte(v.value), &mapping); err != nil {
		l.problems.add(v.from, "", `is not a JSON object of aliases to models, such as {"rerank-v3.5": "%s"}`, rerankModel)
		return
	}
	for _, alias := range slices.Sorted(maps.Keys(mapping)) {
		model := mapping[alias]
		i := modelIndex(cfg.Models, model)
		if i >= 0 {
			m := &cfg.Models[i]
			l.addAlias(m.Name, &m.Aliases, alias, modelPath(i), v.from)
		} else if !l.aliasOfRoute(&cfg.Routing, alias, model, v.from) {
			l.problems.add(v.from, "", "alias %q leads to %q, and no model has that name", alias, model)
		}
	}
}

func (l *loader) addAlias(name string, aliases *[]string, alias, at string, from origin) {
	if alias == name || slices.Contains(*aliases, alias) {
		return
	}
	l.settings[fmt.Sprintf("%s.aliases[%d]", at, len(*aliases))] = setting{from: from}
	*aliases = append(*aliases, alias)
}

// aliasOfRoute makes alias lead to a routed model. Where only a pattern fits the model, it gets
// a route of its own.
func (l *loader) aliasOfRoute(r *Routing, alias, model string, from origin) bool {
	if i := routeIndex(r.Models, model); i >= 0 {
		route := &r.Models[i]
		l.addAlias(route.Name, &route.Aliases, alias, routePath(i), from)
		return true
	}
	i := slices.IndexFunc(r.Models, func(route Route) bool { return wildcard.Match(route.Name, model) })
	if i < 0 {
		return false
	}
	route := r.Models[i]
	route.UpstreamModel = behind(route, model)
	route.Name, route.Aliases = alias, nil
	l.settings[routePath(len(r.Models))] = setting{from: from}
	r.Models = append(r.Models, route)
	return true
}

// behind is what a pattern's upstream calls a model that fits it.
func behind(route Route, model string) string {
	if route.UpstreamModel == "" {
		return model
	}
	head, tail, _ := strings.Cut(route.Name, "*")
	middle := strings.TrimSuffix(strings.TrimPrefix(model, head), tail)
	return strings.ReplaceAll(route.UpstreamModel, "*", middle)
}
