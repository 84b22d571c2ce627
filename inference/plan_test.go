package inference

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

var everything = processor{fp16: true, bf16: true, int8: true}

// names writes candidates as "provider variant", with a question mark where a failed check
// leads to the next.
func names(list []candidate) []string {
	var all []string
	for _, c := range list {
		name := c.provider + " " + c.variant
		if c.lenient {
			name += "?"
		}
		all = append(all, name)
	}
	return all
}

func TestCandidates(t *testing.T) {
	all := &Manifest{Variants: map[string]Variant{"fp32": {}, "fp16": {}, "packed": {Passed: true}, "int8": {Passed: true}, "trt": {}}}
	unchecked := &Manifest{Variants: map[string]Variant{"fp32": {}, "fp16": {}, "packed": {}, "int8": {}}}
	plain := &Manifest{Source: "s", Variants: map[string]Variant{"fp32": {}}}
	onlyInt8 := &Manifest{Variants: map[string]Variant{"int8": {Passed: true}}}
	for _, c := range []struct {
		variant, gpuVariant, provider string
		fallback                      bool
		manifest                      *Manifest
		processor                     processor
		want                          []string
	}{
		{"", "", "", false, all, everything, []string{"cuda packed?", "cuda fp16?", "cuda fp32?", "openvino fp16?", "openvino bf16?", "openvino fp32?", "cpu fp32"}},
		{"auto", "", "auto", false, unchecked, processor{bf16: true}, []string{"cuda fp16?", "cuda fp32?", "openvino bf16?", "openvino fp32?", "cpu fp32"}},
		{"auto", "", "auto", false, plain, processor{}, []string{"cuda fp32?", "openvino fp32?", "cpu fp32"}},
		{"fp32", "", "auto", false, all, everything, []string{"cuda fp32?", "openvino fp32?", "cpu fp32"}},
		{"int8", "", "auto", false, unchecked, everything, []string{"cuda int8?", "cpu int8"}},
		{"int8", "fp16", "cuda", false, all, everything, []string{"cuda fp16"}},
		{"auto", "", "cuda", false, unchecked, everything, []string{"cuda fp16?", "cuda fp32"}},
		{"int8", "fp16", "cpu", false, all, everything, []string{"cpu int8"}},
		{"int8", "", "cpu", false, unchecked, processor{}, []string{"cpu int8"}},
		{"auto", "", "cpu", false, onlyInt8, everything, []string{"cpu int8"}},
		{"auto", "", "openvino", false, plain, everything, []string{"openvino fp16?", "openvino bf16?", "openvino fp32"}},
		{"bf16", "", "openvino", false, plain, processor{}, []string{"openvino bf16"}},
		{"auto", "", "openvino", true, plain, processor{}, []string{"openvino fp32", "cpu fp32"}},
		{"auto", "", "tensorrt", false, all, everything, []string{"tensorrt trt"}},
		{"fp32", "", "tensorrt", true, all, everything, []string{"tensorrt trt", "cpu fp32"}},
	} {
		spec := models.Spec{Variant: c.variant, GPUVariant: c.gpuVariant, Runtime: models.RuntimeSpec{Provider: c.provider, Fallback: c.fallback}}
		list, err := candidates(spec, c.manifest, c.processor)
		require.NoError(t, err)
		require.Equal(t, c.want, names(list), "%+v", c)
	}
}

func TestNoCandidate(t *testing.T) {
	plain := &Manifest{Source: "some/source", Variants: map[string]Variant{"fp32": {}}}
	int8 := &Manifest{Variants: map[string]Variant{"int8": {Passed: true}}}
	unchecked := &Manifest{Variants: map[string]Variant{"int8": {}}}
	for _, c := range []struct {
		variant, provider string
		manifest          *Manifest
		processor         processor
		want              string
	}{
		{"auto", "tensorrt", plain, everything, "variant trt for provider tensorrt is not there, only fp32; make it with scripts/export_onnx.sh some/source --variant trt"},
		{"fp32", "tensorrt", plain, everything, "variant trt for provider tensorrt is not there"},
		{"int8", "openvino", plain, everything, "provider openvino computes in fp32, bf16 and fp16, not in int8"},
		{"auto", "openvino", int8, everything, "provider openvino runs variant fp32, which is not there, only int8"},
		{"auto", "cpu", int8, processor{}, "variant fp32 for provider cpu is not there"},
		{"auto", "cpu", unchecked, everything, "variant fp32 for provider cpu is not there"},
		{"bf16", "cpu", plain, everything, "variant bf16 for provider cpu is not there"},
		{"fp64", "cpu", plain, everything, "variant fp64 is not known to this version, which has fp32, fp16, bf16"},
	} {
		_, err := candidates(models.Spec{Variant: c.variant, Runtime: models.RuntimeSpec{Provider: c.provider}}, c.manifest, c.processor)
		require.ErrorContains(t, err, c.want)
	}
}

func TestHalfPrecisionHasItsOwnTolerance(t *testing.T) {
	embed := fakeManifest(models.TaskEmbed)
	adapted := embed.on(candidate{provider: ProviderOpenVINO, variant: "bf16", precision: PrecisionBF16})
	require.Equal(t, Variant{File: "model.onnx", Tolerance: Tolerance{MinCosine: 0.999}, Passed: true}, adapted.Variants["bf16"])
	require.NotContains(t, embed.Variants, "bf16")
	require.Same(t, embed, embed.on(candidate{provider: ProviderOpenVINO, variant: "fp32"}))
	rerank := &Manifest{Task: models.TaskRerank, Reference: []Reference{{Output: []float32{-6}}, {Output: []float32{4}}}}
	require.InDelta(t, 0.05, rerank.tolerance(PrecisionFP16).MaxAbs, 1e-6)
	require.InDelta(t, 0.4, rerank.tolerance(PrecisionBF16).MaxAbs, 1e-6)
	rerank.Reference = rerank.Reference[:1]
	require.InDelta(t, 0.02, rerank.tolerance(PrecisionFP16).MaxAbs, 1e-6)
}

// openOn opens a model where every provider can be had, and tells of the events.
func openOn(t *testing.T, provider string, session func(SessionConfig) *fakeSession, change func(*models.Spec, *Manifest)) (Model, []Event, error) {
	t.Helper()
	m := fakeManifest(models.TaskEmbed)
	m.Variants["trt"] = Variant{File: "model_trt.onnx", Tolerance: Tolerance{MinCosine: 0.999}}
	spec := models.Spec{Name: "test/model", Runtime: models.RuntimeSpec{Provider: provider}}
	if change != nil {
		change(&spec, m)
	}
	spec.Path = modelDir(t, m)
	var events []Event
	deps := fakeDeps(nil)
	deps.OnEvent = func(ev Event) { events = append(events, ev) }
	deps.NewSession = func(cfg SessionConfig) (Session, error) {
		s := session(cfg)
		if s == nil {
			return nil, ErrProvider
		}
		s.width = fakeWidth
		return s, nil
	}
	model, err := Open(t.Context(), spec, deps)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, model.Close()) })
	}
	return model, events, err
}

// wrongOn spoils the answers of one provider.
func wrongOn(provider string) func(SessionConfig) *fakeSession {
	return func(cfg SessionConfig) *fakeSession {
		s := &fakeSession{}
		if cfg.Provider == provider {
			s.spoil = func(row []float32) { row[0] += 1 }
		}
		return s
	}
}

func TestWrongAnswersLeadAutoToTheNextProvider(t *testing.T) {
	model, events, err := openOn(t, "auto", wrongOn(ProviderCUDA), func(s *models.Spec, _ *Manifest) { s.Variant = "fp32" })
	require.NoError(t, err)
	require.Equal(t, "openvino", model.Info().Provider)
	require.Equal(t, EventProviderRefused, events[0].Kind)
	require.False(t, events[0].Expected)
	require.Equal(t, "cuda", events[0].Provider)
	require.ErrorContains(t, events[0].Err, "refused, because its answers are not those of the weights: reference 0")
	require.ErrorContains(t, events[0].Err, "differs by ")

	_, _, err = openOn(t, "cuda", wrongOn(ProviderCUDA), func(s *models.Spec, _ *Manifest) { s.Runtime.Fallback = true })
	require.ErrorContains(t, err, "variant fp32 on cuda: refused", "a fallback is for providers that are not there, not for wrong answers")
	_, _, err = openOn(t, "auto", func(SessionConfig) *fakeSession { return &fakeSession{spoil: func(row []float32) { row[0] += 1 }} }, nil)
	require.ErrorContains(t, err, "variant fp32 on cpu: refused")
}

// openAbsent opens a model where only the CPU can be had, and lists what was tried.
func openAbsent(t *testing.T, provider string) (tried []string, events []Event, err error) {
	t.Helper()
	m := fakeManifest(models.TaskEmbed)
	deps := fakeDeps(&fakeSession{width: fakeWidth})
	deps.OnEvent = func(ev Event) { events = append(events, ev) }
	cpu := deps.NewSession
	deps.NewSession = func(cfg SessionConfig) (Session, error) {
		tried = append(tried, cfg.Provider)
		if cfg.Provider != ProviderCPU {
			return nil, fmt.Errorf("%w: %w", ErrProvider, ErrNotInstalled)
		}
		return cpu(cfg)
	}
	model, err := Open(t.Context(), models.Spec{Name: "test/model", Path: modelDir(t, m), Runtime: models.RuntimeSpec{Provider: provider}}, deps)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, model.Close()) })
	}
	return tried, events, err
}

func TestAProviderThatIsNotThereIsTriedOnce(t *testing.T) {
	tried, events, err := openAbsent(t, "openvino")
	require.ErrorIs(t, err, ErrNotInstalled)
	require.Equal(t, []string{"openvino"}, tried, "not once more for each of its variants")
	require.Empty(t, events, "nothing follows that could be announced")

	tried, events, err = openAbsent(t, "auto")
	require.NoError(t, err)
	require.Equal(t, []string{"cuda", "openvino", "cpu"}, tried)
	require.Equal(t, EventProviderRefused, events[0].Kind)
	require.True(t, events[0].Expected)
	require.Equal(t, EventProviderRefused, events[1].Kind)
	require.Equal(t, EventLoaded, events[2].Kind)
}

// A check that hangs in native code is no reason to serve beside it on another provider.
func TestARunLeftBehindLeadsToNoOtherProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, _, err := openOn(t, "auto", func(cfg SessionConfig) *fakeSession {
			s := &fakeSession{}
			if cfg.Provider == ProviderCUDA {
				s.before = func(context.Context, Batch) error { <-release; return nil }
			}
			return s
		}, func(s *models.Spec, _ *Manifest) { s.Variant = "fp32" })
		require.ErrorIs(t, err, ErrLost)
		close(release)
	})
}

func TestPhysicalCores(t *testing.T) {
	siblings := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	sys := fstest.MapFS{
		"cpu0/topology/thread_siblings_list": siblings("0,2\n"), "cpu1/topology/thread_siblings_list": siblings("1,3\n"),
		"cpu2/topology/thread_siblings_list": siblings("0,2\n"), "cpu3/topology/thread_siblings_list": siblings("1,3\n"),
		"cpufreq/boost": siblings("1"),
	}
	require.Equal(t, 2, physicalCores(sys))
	require.Zero(t, physicalCores(fstest.MapFS{}))
	require.Positive(t, Threads(0))
	require.Equal(t, 7, Threads(7))
}
