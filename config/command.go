package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// modelMark stands for the model in managed.args.
const modelMark = "{model}"

// image is what is known beforehand of a kind's container images.
type image struct {
	// port is where the server listens; 0: not known.
	port int
	// shm is the size of /dev/shm in MiB that the server needs; 0: the engine's default will do.
	shm int
	// start are the arguments that name model and port; nil: not known, all are the operator's.
	start func(model string, port int) []string
	// named: the server knows its model by the name that it was started with, and answers for no
	// other.
	named bool
	// key is the variable by which the server is told the key that it is to ask for; empty: not known.
	key string
}

var images = map[string]image{
	"tei": {port: 80, key: "API_KEY", start: func(model string, port int) []string {
		return []string{"--model-id", model, "--port", strconv.Itoa(port)}
	}},
	"vllm": {port: 8000, shm: 1024, named: true, key: "VLLM_API_KEY", start: func(model string, port int) []string {
		return []string{"--model", model, "--port", strconv.Itoa(port)}
	}},
	"infinity": {port: 7997, named: true, key: "INFINITY_API_KEY", start: func(model string, port int) []string {
		return []string{"v2", "--model-id", model, "--port", strconv.Itoa(port)}
	}},
	"quadrate": {port: 8000},
}

// own reports whether args are a whole command, to which nothing is added.
func own(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, modelMark) })
}

// command is what the container is started with.
func (c unit) command(m Managed, kind string) []string {
	known := images[kind]
	if known.start == nil || own(m.Args) {
		var all []string
		for _, arg := range m.Args {
			all = append(all, strings.ReplaceAll(arg, modelMark, c.model))
		}
		return all
	}
	all := known.start(c.model, m.ContainerPort)
	if names := c.served(); known.named && !slices.Equal(names, []string{c.model}) {
		all = append(append(all, "--served-model-name"), names...)
	}
	if len(m.Args) == 0 && kind == "vllm" {
		return append(all, vllmArgs(m.Image, c.tasks)...)
	}
	return append(all, m.Args...)
}

// served are the names by which requests ask for the model: its own where none does.
func (c unit) served() []string {
	if len(c.names) == 0 {
		return []string{c.model}
	}
	return c.names
}

// vllmArgs are vLLM's arguments for a model of these tasks, of which either embed is one or others
// are.
func vllmArgs(image string, tasks []models.Task) []string {
	kind := []string{"--runner", "pooling", "--convert", "embed"}
	scores := slices.Contains(tasks, models.TaskRerank)
	switch classifies := scores || slices.Contains(tasks, models.TaskClassify); {
	case takesTask(image) && scores:
		kind = []string{"--task", "score"}
	case takesTask(image) && classifies:
		kind = []string{"--task", "classify"}
	case takesTask(image):
		kind = []string{"--task", "embed"}
	case classifies:
		kind[3] = "classify"
	}
	return append(kind, "--dtype", "float16", "--max-model-len", "8192")
}

// vllmVersion finds the version in the name of one of vLLM's own images: vllm/vllm-openai:v0.9.2.
var vllmVersion = regexp.MustCompile(`(?:^|/)[^/:]*vllm[^/:]*:v?(\d+)\.(\d+)(?:\.(\d+))?(?:[^\d/][^/]*)?$`)

// takesTask reports whether an image is of a vLLM before 0.10.1, which had --task in place of
// --runner and --convert.
func takesTask(image string) bool {
	found := vllmVersion.FindStringSubmatch(image)
	if found == nil {
		return false
	}
	var version [3]int
	for i, digits := range found[1:] {
		version[i], _ = strconv.Atoi(digits)
	}
	return slices.Compare(version[:], []int{0, 10, 1}) < 0
}
