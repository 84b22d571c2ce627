package inference

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/quadrate-maas/quadrate/inference/onnxfile"
	"github.com/quadrate-maas/quadrate/models"
)

// derived is what a Manifest holds that was made from a folder without one: files that others
// wrote, which bring no answers to check the model against.
type derived struct {
	notes []string
	// broken says why a variant that is there cannot serve.
	broken map[string]error
	offset int64 // position of the first token
}

// readFolder reads the manifest of a model's folder, or makes one where the folder holds an
// ONNX file that others wrote. The error wraps ErrAbsent when it holds neither.
func readFolder(spec models.Spec) (*Manifest, error) {
	m, err := ReadManifest(spec.Path)
	if !errors.Is(err, ErrAbsent) {
		if err == nil && spec.Pooling != "" {
			return nil, fmt.Errorf("models[].pooling is set, but the folder's %s names the pooling; leave the setting empty", ManifestFile)
		}
		return m, err
	}
	files := foreignFiles(spec)
	if len(files) == 0 {
		if others := otherONNX(spec.Path); others != "" {
			err = fmt.Errorf("%w; it holds %s: name one in models[].variant", err, others)
		}
		return nil, err
	}
	if m, err = derive(spec, files); err != nil {
		return nil, fmt.Errorf("%s has no %s, and cannot be served as a model of others: %w", spec.Path, ManifestFile, err)
	}
	return m, nil
}

// foreignFiles finds the ONNX files of a folder, by variant: those with the names that the
// Hugging Face hub's exporters use, and those that the spec names.
func foreignFiles(spec models.Spec) map[string]string {
	names := map[string][]string{
		"fp32": {"model.onnx"},
		"fp16": {"model_fp16.onnx"},
		"int8": int8Files(instructionSet()),
	}
	for _, variant := range []string{spec.Variant, spec.GPUVariant} {
		if isFile(variant) {
			names[variant] = []string{variant}
		}
	}
	files := map[string]string{}
	for variant, list := range names {
		for _, name := range list {
			if file := inFolder(spec.Path, name); file != "" {
				files[variant] = file
				break
			}
		}
	}
	return files
}

// isFile reports whether a configured variant names a file.
func isFile(variant string) bool { return strings.HasSuffix(variant, ".onnx") }

// inFolder finds a file in a model's folder or its subfolder onnx, and returns its path
// relative to dir, or "".
func inFolder(dir, name string) string {
	for _, file := range []string{name, filepath.Join("onnx", name)} {
		if stat, err := os.Stat(filepath.Join(dir, file)); filepath.IsLocal(file) && err == nil && stat.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// otherONNX lists ONNX files without a name that is looked for.
func otherONNX(dir string) string {
	var names []string
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, file := range found {
			name, _ := filepath.Rel(dir, file)
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// isa is what the processor has of the instruction sets that files are named for.
type isa struct{ arm64, avx2, avx512, vnni bool }

func instructionSet() isa {
	return isa{arm64: runtime.GOARCH == "arm64", avx2: cpu.X86.HasAVX2, avx512: cpu.X86.HasAVX512, vnni: cpu.X86.HasAVX512VNNI}
}

// int8Files lists the names of int8 files, the best for the processor first.
func int8Files(has isa) []string {
	var names []string
	for _, f := range []struct {
		usable bool
		name   string
	}{
		{has.arm64, "model_qint8_arm64.onnx"},
		{has.vnni, "model_qint8_avx512_vnni.onnx"},
		{has.avx512, "model_qint8_avx512.onnx"},
		{has.avx2, "model_quint8_avx2.onnx"},
		{true, "model_int8.onnx"},
		{true, "model_quantized.onnx"},
		{true, "model_uint8.onnx"},
	} {
		if f.usable {
			names = append(names, f.name)
		}
	}
	return names
}

// derive makes the manifest of a folder that others wrote.
func derive(spec models.Spec, files map[string]string) (*Manifest, error) {
	h, err := readHub(spec.Path)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Format: manifestFormat, Source: filepath.Base(spec.Path), Architecture: h.config.ModelType, VocabSize: h.config.VocabSize,
		Variants: map[string]Variant{}, derived: &derived{broken: map[string]error{}}}
	if err := h.checkLowerCase(); err != nil {
		return nil, err
	}
	if m.PadID, err = h.padID(); err != nil {
		return nil, err
	}
	m.derived.offset = h.positionOffset(m.PadID)
	if m.MaxLength, err = h.maxLength(m.derived.offset); err != nil {
		return nil, err
	}
	prompts, err := h.prompts()
	if err != nil {
		return nil, err
	}
	m.Prompts, m.Default, m.Normalize = prompts.Prompts, prompts.Default, h.normalizes()
	if err := m.addVariants(spec, h, files); err != nil {
		return nil, err
	}
	if m.Task != models.TaskEmbed {
		m.Labels, m.Activation = h.labels(m.Dimensions), h.activation()
	}
	m.derived.notes = h.notes
	return m, m.validateDerived()
}

// addVariants reads the files' signatures. The first that can serve says what the model does;
// one that differs from it, or cannot serve, is refused when it is asked for.
func (m *Manifest) addVariants(spec models.Spec, h *hub, files map[string]string) error {
	for _, variant := range slices.SortedFunc(maps.Keys(files), byPreference) {
		sig, err := onnxfile.Read(filepath.Join(spec.Path, files[variant]))
		if err != nil {
			m.derived.broken[variant] = err
			continue
		}
		err = m.addVariant(variant, files[variant], sig, h, spec.Pooling)
		if err != nil {
			m.derived.broken[variant] = fmt.Errorf("%s: %w", files[variant], err)
		} else if stat, err := os.Stat(filepath.Join(spec.Path, files[variant])); err == nil && m.Created.Before(stat.ModTime()) {
			m.Created = stat.ModTime().UTC().Truncate(time.Second)
		}
	}
	if len(m.Variants) > 0 {
		return nil
	}
	var problems []error
	for _, variant := range slices.SortedFunc(maps.Keys(m.derived.broken), byPreference) {
		problems = append(problems, m.derived.broken[variant])
	}
	return errors.Join(problems...)
}

// byPreference sorts the variant that describes the model best first: a file that was asked
// for by its name, then the precise ones.
func byPreference(a, b string) int {
	place := func(name string) int {
		if isFile(name) {
			return 3
		}
		return slices.Index([]string{"int8", "fp16", "fp32"}, name)
	}
	if place(a) != place(b) {
		return place(b) - place(a)
	}
	return strings.Compare(a, b)
}

func (m *Manifest) addVariant(variant, file string, sig onnxfile.Signature, h *hub, pooling string) error {
	role, err := roleOf(sig, h, pooling)
	if err != nil {
		return err
	}
	if variant == "fp32" && role.graph.quantized {
		variant = "int8" // a name is no proof; a file with int8's own names, which comes later, takes its place
	}
	if len(m.Variants) == 0 {
		m.Task, m.Dimensions, m.Inputs, m.Output = role.task, role.dimensions, role.graph.inputs, role.graph.output.name
	} else if m.Task != role.task || m.Dimensions != role.dimensions {
		return fmt.Errorf("it does %s in %d numbers, and the folder's other files %s in %d", role.task, role.dimensions, m.Task, m.Dimensions)
	}
	// What is quantized is never chosen unless it is asked for.
	m.Variants[variant] = Variant{File: file, Passed: !role.graph.quantized, graph: &role.graph}
	return nil
}

func (m *Manifest) validateDerived() error {
	var problems []error
	if m.MaxLength <= 0 {
		problems = append(problems, fmt.Errorf("its maximum length is %d", m.MaxLength))
	}
	if m.Dimensions <= 0 {
		problems = append(problems, errors.New("neither the graph nor config.json says how many numbers its output has"))
	}
	return errors.Join(problems...)
}

// notes lists what to know of a variant's answers.
func (m *Manifest) notes(variant string, company float64) []string {
	notes, g := slices.Clone(m.derived.notes), m.graphOf(variant)
	if g.assumed != "" {
		notes = append(notes, g.assumed)
	}
	if g.quantized {
		notes = append(notes, fmt.Sprintf("%s is quantized: the texts beside a text may change its answer, by %.2g in the check", m.Variants[variant].File, company))
	}
	return notes
}

// missing explains why a variant of a folder that others wrote is not to be had.
func (m *Manifest) missing(variant, provider string) error {
	if err := m.derived.broken[variant]; err != nil {
		return fmt.Errorf("variant %s cannot serve: %w", variant, err)
	}
	var there []string
	for name, v := range m.Variants {
		there = append(there, name+" ("+v.File+")")
	}
	slices.Sort(there)
	return fmt.Errorf("variant %s for provider %s is not there, only %s; name one of these, or a file, in models[].variant", variant, provider, strings.Join(there, ", "))
}
