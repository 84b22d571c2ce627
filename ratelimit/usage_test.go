package ratelimit

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reference is what Take and Done should do, told in exact fractions and in other words than the
// code: GCRA by its theoretical arrival time, and tokens as a level that rises.
type reference struct {
	Limits
	arrival *big.Rat // theoretical arrival time of the next request
	level   *big.Rat // tokens left
	at      *big.Rat // when level was so
	active  int
}

func newReference(l Limits) *reference {
	return &reference{Limits: l, arrival: new(big.Rat), level: big.NewRat(int64(l.TokensPerMinute), 1), at: new(big.Rat)}
}

func maxOf(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) > 0 {
		return new(big.Rat).Set(a)
	}
	return new(big.Rat).Set(b)
}

func minOf(a, b *big.Rat) *big.Rat {
	return new(big.Rat).Neg(maxOf(new(big.Rat).Neg(a), new(big.Rat).Neg(b)))
}

// rise lets the level rise until now, in microseconds.
func (r *reference) rise(now *big.Rat) {
	more := new(big.Rat).Mul(new(big.Rat).Sub(now, r.at), big.NewRat(int64(r.TokensPerMinute), 60e6))
	r.level = minOf(new(big.Rat).Add(r.level, more), big.NewRat(int64(r.TokensPerMinute), 1))
	r.at.Set(now)
}

// take returns what is in the way, and for how long.
func (r *reference) take(now *big.Rat, tokens int) (setting string, wait *big.Rat) {
	r.rise(now)
	wait = new(big.Rat)
	interval := big.NewRat(60e6, int64(r.RequestsPerMinute))
	next := new(big.Rat).Add(maxOf(r.arrival, now), interval)
	allowed := new(big.Rat).Sub(next, new(big.Rat).Mul(interval, big.NewRat(int64(r.Burst), 1)))
	if allowed.Cmp(now) > 0 {
		setting, wait = requestsSetting, new(big.Rat).Sub(allowed, now)
	}
	missing := new(big.Rat).Sub(big.NewRat(int64(tokens), 1), r.level)
	missing.Mul(missing, big.NewRat(60e6, int64(r.TokensPerMinute)))
	if missing.Cmp(wait) > 0 {
		setting, wait = tokensSetting, missing
	}
	if second := big.NewRat(1e6, 1); r.active >= r.Concurrency && wait.Cmp(second) < 0 {
		setting, wait = concurrencySetting, second
	}
	if tokens > r.TokensPerMinute {
		setting = tokensSetting
	}
	if setting == "" {
		r.arrival = next
		r.level.Sub(r.level, big.NewRat(int64(tokens), 1))
		r.active++
	}
	return setting, wait
}

func (r *reference) done(now *big.Rat, estimate, tokens int) {
	r.rise(now)
	r.level.Add(r.level, big.NewRat(int64(estimate-tokens), 1))
	whole := big.NewRat(int64(r.TokensPerMinute), 1)
	r.level = maxOf(minOf(r.level, whole), new(big.Rat).Neg(whole))
	r.active--
}

// Long random schedules of limits, pauses, estimates and facts: every answer is the reference's.
func TestMemoryCountsExactly(t *testing.T) {
	admitted, refused := 0, map[string]int{}
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			limits := Limits{RequestsPerMinute: 1 + random.IntN(700), Burst: 1 + random.IntN(30), TokensPerMinute: 1 + random.IntN(90000), Concurrency: 1 + random.IntN(30)}
			l, want := newMemoryLimiter(t, Class{Name: "c", Limits: limits}), newReference(limits)
			type running struct {
				grant    *Grant
				estimate int
			}
			var grants []running
			size := 2 + 2*limits.TokensPerMinute/limits.RequestsPerMinute
			start := time.Now()
			for range 2000 {
				time.Sleep(time.Duration(random.ExpFloat64()*60e6/float64(limits.RequestsPerMinute)) * time.Microsecond)
				now := big.NewRat(time.Since(start).Microseconds(), 1)
				if len(grants) > 0 && random.IntN(5) < 2 {
					i := random.IntN(len(grants))
					g, tokens := grants[i], random.IntN(size)
					grants = append(grants[:i], grants[i+1:]...)
					g.grant.Done(tokens)
					want.done(now, g.estimate, tokens)
					continue
				}
				estimate := random.IntN(size)
				if random.IntN(50) == 0 {
					estimate = limits.TokensPerMinute + random.IntN(2)
				}
				setting, wait := want.take(now, estimate)
				g, err := l.Take(t.Context(), Caller{"c", "n"}, "m", estimate)
				if setting == "" {
					require.NoError(t, err)
					left, _ := maxOf(want.level, new(big.Rat)).Float64()
					require.Equal(t, int(left), g.State().Tokens.Remaining)
					grants = append(grants, running{g, estimate})
					admitted++
					continue
				}
				e := exceeded(t, err)
				require.Equal(t, setting, e.Setting)
				refused[setting]++
				if estimate > limits.TokensPerMinute {
					require.Negative(t, e.RetryAfter)
					continue
				}
				// Rounded up to a microsecond.
				early := new(big.Rat).Sub(big.NewRat(e.RetryAfter.Microseconds(), 1), wait)
				require.True(t, early.Sign() >= 0 && early.Cmp(big.NewRat(1, 1)) < 0, "%v, not %v", e.RetryAfter, wait.FloatString(3))
			}
		})
	}
	require.Greater(t, admitted, 10000)
	for _, setting := range []string{requestsSetting, tokensSetting, concurrencySetting} {
		require.Greater(t, refused[setting], 500, setting)
	}
}

// No limits, pauses, estimates or facts bring use out of its bounds.
func FuzzUsage(f *testing.F) {
	f.Add(int64(6), int64(1), int64(100), int64(3), int64(5), int64(7), int64(1e6))
	f.Add(int64(maxLimit), int64(maxLimit), int64(maxLimit), int64(1), int64(maxLimit), int64(1<<62), int64(1<<62))
	f.Fuzz(func(t *testing.T, requests, burst, tokens, replicas, estimate, fact, past int64) {
		whole := bounds{requests: clamp(requests), burst: clamp(burst), tokens: clamp(tokens), concurrency: 1 << 62}
		whole.largest = whole.tokens
		b := whole.share(clamp(replicas))
		estimate, fact, past = max(estimate, 0), max(fact, 0), max(past, 0)
		var u usage
		for range 4 {
			before := u
			if r := u.refusal(b, estimate); r == (refusal{}) {
				u.charge(b, estimate)
				u.settle(b, estimate, fact)
			} else {
				require.Equal(t, before, u)
				require.True(t, r.wait > 0 || r.wait == -1 && estimate > b.largest)
			}
			require.GreaterOrEqual(t, u.requests, int64(0))
			require.GreaterOrEqual(t, u.tokens, int64(0))
			require.LessOrEqual(t, u.requests, max(b.burst, 1)*minute)
			require.LessOrEqual(t, u.tokens, (b.tokens+b.largest)*minute)
			s := u.state(b)
			require.GreaterOrEqual(t, s.Tokens.Remaining, 0)
			require.GreaterOrEqual(t, s.Tokens.Reset, time.Duration(0))
			require.GreaterOrEqual(t, s.Requests.Reset, time.Duration(0))
			u.pass(past, b)
		}
		u.pass(u.rest(b), b)
		require.Equal(t, [2]int64{}, [2]int64{u.requests, u.tokens})
	})
}

// clamp makes a limit of any number, at least 1.
func clamp(n int64) int64 { return min(max(n, 1), maxLimit) }
