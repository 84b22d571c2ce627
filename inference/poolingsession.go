package inference

import (
	"context"
	"sync"
)

// poolingSession makes a session that gives token states one that gives vectors. The states
// are large and live for one run, so their memory is used again.
type poolingSession struct {
	Session
	kinds []poolKind

	mu    sync.Mutex
	spare [][]float32 // at most maxSpare
}

// maxSpare is how much memory of runs waits to be used again: for as many runs at once as
// one session has.
const maxSpare = 2

func newPooling(s Session, kinds []poolKind) Session {
	return &poolingSession{Session: s, kinds: kinds}
}

// Run implements Session. Where the batch asks for states, they are the caller's own.
func (s *poolingSession) Run(ctx context.Context, b Batch) (Output, error) {
	if b.States {
		return s.Session.Run(ctx, b)
	}
	b.Memory = s.take()
	states, err := s.Session.Run(ctx, b)
	if err != nil {
		s.give(b.Memory)
		return Output{}, err
	}
	out := pooled(states, b.lengths(), s.kinds)
	s.give(states.Values)
	return out, nil
}

func (s *poolingSession) take() []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spare) == 0 {
		return nil
	}
	memory := s.spare[len(s.spare)-1]
	s.spare = s.spare[:len(s.spare)-1]
	return memory
}

func (s *poolingSession) give(memory []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if memory != nil && len(s.spare) < maxSpare {
		s.spare = append(s.spare, memory)
	}
}

// lengths counts the tokens of each row.
func (b Batch) lengths() []int {
	lengths := make([]int, b.Rows)
	for i := range lengths {
		for _, bit := range b.Mask[i*b.Length : (i+1)*b.Length] {
			lengths[i] += int(bit)
		}
	}
	return lengths
}

// Placed implements Placed.
func (s *poolingSession) Placed() float64 { return placedOf(s.Session) }
