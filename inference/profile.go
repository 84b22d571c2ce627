package inference

import (
	"context"
	"errors"
	"fmt"
)

// Profile bounds the batches of one TensorRT engine: rows and length each lie between Min and
// Max. The engine is tuned for the largest.
type Profile struct {
	MinRows, MaxRows     int
	MinLength, MaxLength int
}

// profileTokens bounds the padded tokens of an engine's largest batch, and so its memory.
const profileTokens = 16 * 1024

// profiles covers every batch of up to profileTokens and maxLength with engines, the cheapest
// first: for each range of lengths one for a single text, where latency counts, and one for
// many. One engine for all would be tuned for shapes that are far from most batches.
func profiles(maxLength int) []Profile {
	var list []Profile
	shortest := 1
	for _, length := range []int{64, 256, 1024, maxLength} {
		if length > maxLength || length < shortest {
			continue
		}
		list = append(list, Profile{MinRows: 1, MaxRows: 1, MinLength: shortest, MaxLength: length})
		if rows := min(profileTokens/length, 256); rows > 1 {
			list = append(list, Profile{MinRows: 2, MaxRows: rows, MinLength: shortest, MaxLength: length})
		}
		shortest = length + 1
	}
	return list
}

// WithProfiles makes a session for TensorRT of one session a profile, and others as before.
// progress is told before each engine is built or loaded.
func WithProfiles(open func(SessionConfig) (Session, error), maxLength int, progress func(number, all int)) func(SessionConfig) (Session, error) {
	return func(cfg SessionConfig) (_ Session, err error) {
		if cfg.Provider != ProviderTensorRT {
			return open(cfg)
		}
		s := &profiled{padID: cfg.PadID, profiles: profiles(maxLength)}
		defer func() {
			if err != nil {
				_ = s.Close()
			}
		}()
		for i := range s.profiles {
			progress(i+1, len(s.profiles))
			cfg.Profile = &s.profiles[i]
			one, err := open(cfg)
			if err != nil {
				return nil, err
			}
			s.sessions = append(s.sessions, one)
		}
		return s, nil
	}
}

// lengthStep: lengths are padded to multiples of it, which tensor cores want, and which makes
// the shapes that an engine meets few.
const lengthStep = 8

// profiled runs each batch on the engine whose profile it lies in. A batch of more rows than
// any engine takes is split.
type profiled struct {
	padID    int64
	profiles []Profile
	sessions []Session // one a profile
}

// Run implements Session.
func (s *profiled) Run(ctx context.Context, b Batch) (Output, error) {
	var whole Output
	for from := 0; from < b.Rows; {
		at, rows := fit(s.profiles, b.Rows-from, b.Length)
		if rows == 0 {
			return Output{}, fmt.Errorf("no TensorRT engine takes inputs of %d tokens (models[].max_length)", b.Length)
		}
		length := min((b.Length+lengthStep-1)/lengthStep*lengthStep, s.profiles[at].MaxLength)
		out, err := s.sessions[at].Run(ctx, b.part(from, from+rows, length, s.padID))
		if err != nil {
			return Output{}, err
		}
		whole.Width = out.Width
		whole.add(out, rows, b.Length)
		from += rows
	}
	return whole, nil
}

// add appends the first rows of out, and of states those of the first length tokens.
func (o *Output) add(out Output, rows, length int) {
	if out.Length == 0 {
		o.Values = append(o.Values, out.Values...)
		return
	}
	o.Length = length
	for i := range rows {
		o.Values = append(o.Values, out.Row(i)[:length*out.Width]...)
	}
}

// fit finds the profile that takes all of the rows, or else the most, and how many these are.
func fit(list []Profile, rows, length int) (at, fitting int) {
	for i, p := range list {
		if length < p.MinLength || length > p.MaxLength || rows < p.MinRows {
			continue
		}
		if most := min(rows, p.MaxRows); most > fitting {
			at, fitting = i, most
		}
	}
	return at, fitting
}

// part returns rows from up to to, padded to length.
func (b Batch) part(from, to, length int, padID int64) Batch {
	part := Batch{Rows: to - from, Length: length, States: b.States}
	widen := func(values []int64, pad int64) []int64 {
		if len(values) == 0 || length == b.Length {
			return values[min(from*b.Length, len(values)):min(to*b.Length, len(values))]
		}
		wide := make([]int64, 0, part.Rows*length)
		for row := from; row < to; row++ {
			wide = append(wide, values[row*b.Length:(row+1)*b.Length]...)
			for range length - b.Length {
				wide = append(wide, pad)
			}
		}
		return wide
	}
	part.IDs, part.Mask, part.Types, part.Positions = widen(b.IDs, padID), widen(b.Mask, 0), widen(b.Types, 0), widen(b.Positions, 0)
	return part
}

// Placed implements Placed with the engine that has the least on the GPU.
func (s *profiled) Placed() float64 {
	least := 1.0
	for _, one := range s.sessions {
		least = min(least, placedOf(one))
	}
	return least
}

// placedOf is 1 for a session that does not tell.
func placedOf(s Session) float64 {
	if p, ok := s.(Placed); ok {
		return p.Placed()
	}
	return 1
}

// Close implements Session.
func (s *profiled) Close() error {
	var problems []error
	for _, one := range s.sessions {
		problems = append(problems, one.Close())
	}
	return errors.Join(problems...)
}
