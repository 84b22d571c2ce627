package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// The scripts, with a clock that the test sets, count to the unit as usage does.
func TestScriptsCountAsUsageDoes(t *testing.T) {
	s := startRedis(t)
	c := s.client()
	clocked := strings.Replace(countsLua, "redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}", 1)
	require.NotEqual(t, countsLua, clocked)
	taken, settled := redis.NewScript(clocked+takeLua), redis.NewScript(clocked+settleLua)
	admitted := 0
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		b := newScope("c", nil, Limits{RequestsPerMinute: random.IntN(700), TokensPerMinute: random.IntN(90000), Concurrency: 1}).bounds
		b.concurrency = random.Int64N(30)
		now, keys := int64(1_790_000_000_000_000), countKeys(&scope{id: fmt.Sprint(seed)}, "n")
		var u usage
		type running struct {
			lease  string
			tokens int64
		}
		var grants []running
		for step := range 400 {
			past := random.Int64N(2 * minute / max(b.requests, 1))
			now += past
			u.pass(past, b)
			clock := []any{now / 1e6, now % 1e6}
			size := 2 + 2*b.tokens/max(b.requests, 1)
			if len(grants) > 0 && random.IntN(5) < 2 {
				g, tokens := grants[0], random.Int64N(3*size)
				grants = grants[1:]
				u.settle(b, g.tokens, tokens)
				require.NoError(t, settled.Run(t.Context(), c, keys, append([]any{b.requests, b.burst, b.tokens, tokens - g.tokens, g.lease}, clock...)...).Err())
				continue
			}
			g := running{fmt.Sprint(step), random.Int64N(size)}
			counted := int64(0)
			if u.refusal(b, g.tokens) == (refusal{}) {
				u.charge(b, g.tokens)
				grants = append(grants, g)
				counted = 1
				admitted++
			}
			active := u.active
			if b.concurrency == 0 {
				active = 0 // Redis does not count what has no limit
			}
			answer, err := taken.Run(t.Context(), c, keys, append([]any{b.requests, b.burst, b.tokens, g.tokens, b.concurrency, g.lease, 3_600_000}, clock...)...).Int64Slice()
			require.NoError(t, err)
			require.Equal(t, []int64{counted, u.requests, u.tokens, active}, answer, "seed %d, step %d: %+v", seed, step, b)
		}
	}
	require.Greater(t, admitted, 1000)
}
