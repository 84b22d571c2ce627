package inference

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

func TestProfiles(t *testing.T) {
	require.Equal(t, []Profile{
		{1, 1, 1, 64}, {2, 256, 1, 64}, {1, 1, 65, 256}, {2, 64, 65, 256}, {1, 1, 257, 512}, {2, 32, 257, 512},
	}, profiles(512))
	require.Equal(t, []Profile{{1, 1, 1, 30}, {2, 256, 1, 30}}, profiles(30))
	require.Len(t, profiles(256), 4, "the longest length is one of the steps")
	require.Len(t, profiles(8192), 8)
	require.Equal(t, []Profile{{1, 1, 1025, 16384}}, profiles(16384)[6:], "one row fills the engine")
	for _, longest := range []int{5, 64, 65, 300, 512, 8192} {
		for length := 1; length <= longest; length++ {
			for _, rows := range []int{1, 2, 3, 1000} {
				at, fitting := fit(profiles(longest), rows, length)
				p := profiles(longest)[at]
				require.Positive(t, fitting)
				require.True(t, fitting >= p.MinRows && fitting <= p.MaxRows && length >= p.MinLength && length <= p.MaxLength)
			}
		}
		_, fitting := fit(profiles(longest), 1, longest+1)
		require.Zero(t, fitting)
	}
}

// inProfile fails the test when a batch lies outside the session's profile.
func inProfile(t *testing.T, cfg SessionConfig) *fakeSession {
	p := cfg.Profile
	return &fakeSession{before: func(_ context.Context, b Batch) error {
		require.True(t, b.Rows >= p.MinRows && b.Rows <= p.MaxRows && b.Length >= p.MinLength && b.Length <= p.MaxLength, "%d x %d, profile %+v", b.Rows, b.Length, *p)
		require.True(t, b.Length%lengthStep == 0 || b.Length == p.MaxLength)
		require.Len(t, b.IDs, b.Rows*b.Length)
		require.Len(t, b.Mask, b.Rows*b.Length)
		return nil
	}}
}

func TestBatchesGoToTheirEngine(t *testing.T) {
	var opened []*fakeSession
	var steps [][2]int
	open := WithProfiles(func(cfg SessionConfig) (Session, error) {
		s := inProfile(t, cfg)
		s.width = fakeWidth
		opened = append(opened, s)
		return s, nil
	}, 300, func(number, all int) { steps = append(steps, [2]int{number, all}) })
	s, err := open(SessionConfig{Provider: ProviderTensorRT, PadID: 1})
	require.NoError(t, err)
	require.Equal(t, [][2]int{{1, 6}, {2, 6}, {3, 6}, {4, 6}, {5, 6}, {6, 6}}, steps)
	alone := &fakeSession{width: fakeWidth}
	for _, c := range []struct{ rows, length int }{{1, 1}, {1, 64}, {3, 13}, {257, 3}, {600, 40}, {70, 256}, {1, 300}, {56, 299}} {
		items := make([]tokenizer.Encoding, c.rows)
		for i := range items {
			for j := range max(1, c.length-i%7) {
				items[i].IDs = append(items[i].IDs, uint32(4+i*31+j))
			}
		}
		b := padder{padID: 1, types: true}.pad(items)
		want, err := alone.Run(t.Context(), b)
		require.NoError(t, err)
		got, err := s.Run(t.Context(), b)
		require.NoError(t, err)
		require.Equal(t, want, got, "%d x %d", c.rows, c.length)
	}
	_, err = s.Run(t.Context(), Batch{Rows: 1, Length: 301})
	require.ErrorContains(t, err, "no TensorRT engine takes inputs of 301 tokens")
	require.NoError(t, s.Close())
	for _, one := range opened {
		require.True(t, one.closed)
	}
}

func TestPaddingOfAnEngineKeepsTheRows(t *testing.T) {
	b := Batch{Rows: 2, Length: 2, IDs: []int64{5, 6, 7, 1}, Mask: []int64{1, 1, 1, 0}, Types: []int64{0, 1, 1, 0}}
	require.Equal(t, Batch{Rows: 1, Length: 4, IDs: []int64{7, 1, 9, 9}, Mask: []int64{1, 0, 0, 0}, Types: []int64{1, 0, 0, 0}}, b.part(1, 2, 4, 9))
	b.Types = nil
	require.Empty(t, b.part(0, 2, 2, 9).Types)
	require.Equal(t, b.IDs, b.part(0, 2, 2, 9).IDs)
}

func TestAnEngineThatIsNotMadeClosesTheOthers(t *testing.T) {
	var opened []*fakeSession
	open := WithProfiles(func(SessionConfig) (Session, error) {
		if len(opened) == 2 {
			return nil, ErrOutOfMemory
		}
		opened = append(opened, &fakeSession{})
		return opened[len(opened)-1], nil
	}, 512, func(int, int) {})
	_, err := open(SessionConfig{Provider: ProviderTensorRT})
	require.ErrorIs(t, err, ErrOutOfMemory)
	require.True(t, opened[0].closed && opened[1].closed)
}

func TestAModelOnTensorRT(t *testing.T) {
	model, events, err := openOn(t, "tensorrt", func(cfg SessionConfig) *fakeSession {
		require.Equal(t, int64(1), cfg.PadID)
		require.Equal(t, "/engines", cfg.EngineCache)
		return inProfile(t, cfg)
	}, func(s *models.Spec, _ *Manifest) { s.Runtime.TensorRTCache = "/engines" })
	require.NoError(t, err)
	require.Equal(t, "trt", model.Info().Variant)
	require.Equal(t, 1.0, model.Info().Placed)
	require.Equal(t, Event{Kind: EventBuilding, Model: "test/model", Step: 1, Steps: 2}, events[0])
	_, err = model.(*Embedding).Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "one"}, {Text: "and another"}}})
	require.NoError(t, err)
}

func TestStatesAreCutToTheBatch(t *testing.T) {
	var whole Output
	whole.Width = 1
	whole.add(Output{Width: 1, Length: 3, Values: []float32{1, 2, 0, 3, 4, 0}}, 2, 2)
	whole.add(Output{Width: 1, Length: 3, Values: []float32{5, 6, 0}}, 1, 2)
	require.Equal(t, Output{Width: 1, Length: 2, Values: []float32{1, 2, 3, 4, 5, 6}}, whole)
}
