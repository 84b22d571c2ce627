package managed_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
)

// BenchmarkAcquire is what a request to a server that runs pays, beside 19 others.
func BenchmarkAcquire(b *testing.B) {
	engine := managedtest.NewEngine(b)
	defer engine.Close()
	var specs []managed.Spec
	for i := range 20 {
		specs = append(specs, spec(fmt.Sprint(i)))
	}
	s := managed.New(managed.Options{Settings: settings(specs...), Engine: engine, Prober: &managedtest.Prober{Engine: engine}})
	ctx := context.Background()
	for i := range specs {
		require.NoError(b, s.Load(ctx, fmt.Sprint(i)))
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, err := s.Acquire(ctx, "7", nil)
			if err != nil {
				b.Error(err)
				return
			}
			l.Release()
		}
	})
	require.NoError(b, s.Close(ctx))
}
