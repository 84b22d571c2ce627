package ratelimit

import (
	"math"
	"time"
)

// minute is a minute in microseconds. One request, or one token, is as many units of usage: then
// a limit of n a minute is n units a microsecond, and all of it is arithmetic of whole numbers.
const minute = int64(time.Minute / time.Microsecond)

// busyWait is what those who meet the limit of requests at once are told to wait, in
// microseconds: nobody knows when a request ends.
const busyWait = int64(time.Second / time.Microsecond)

// bounds are the limits that a scope has, or a server's part of them. 0: no limit.
type bounds struct {
	requests, burst, tokens, concurrency int64
	// largest is the largest estimate that has a chance, and the most that a caller may owe: a
	// minute's tokens of the whole limit, also where tokens are a part of it.
	largest int64
}

// share is the part of one server among n; no limit's part is nothing.
func (b bounds) share(n int64) bounds {
	if n <= 1 {
		return b
	}
	part := func(limit int64) int64 {
		if limit == 0 {
			return 0
		}
		return max(limit/n, 1)
	}
	return bounds{requests: part(b.requests), burst: part(b.burst), tokens: part(b.tokens), concurrency: part(b.concurrency), largest: b.largest}
}

// usage is what a caller has used of its limits and not got back yet, in units; used units come
// back at the limit's rate. Of requests this is GCRA, told as the leaky bucket that it is equal
// to: the theoretical arrival time is now plus requests divided by the rate. Held as use, and
// not as what is left, it keeps its meaning when the limits are changed.
type usage struct {
	requests, tokens int64
	active           int64
}

// pass lets some microseconds pass. Under limits that were lowered nobody owes more than they
// let anybody owe.
func (u *usage) pass(past int64, b bounds) {
	u.requests = min(drained(u.requests, past, b.requests), b.burst*minute)
	u.tokens = min(drained(u.tokens, past, b.tokens), (b.tokens+b.largest)*minute)
}

func drained(used, past, rate int64) int64 {
	if rate == 0 || past > used/rate {
		return 0
	}
	return used - past*rate
}

// refusal says which limit is in a request's way; its zero value: none.
type refusal struct {
	setting string
	wait    int64 // in microseconds; negative: for ever
}

// refusal looks for the limit that takes longest to give way.
func (u *usage) refusal(b bounds, tokens int64) refusal {
	if b.tokens > 0 && tokens > b.largest {
		return refusal{tokensSetting, -1}
	}
	var worst refusal
	if wait := waitFor(u.requests, 1, b.burst, b.requests); wait > 0 {
		worst = refusal{requestsSetting, wait}
	}
	// Where a request is more than this server's part, it is let in when nothing is used, and
	// what it is more is owed.
	if wait := waitFor(u.tokens, min(tokens, b.tokens), b.tokens, b.tokens); wait > worst.wait {
		worst = refusal{tokensSetting, wait}
	}
	if b.concurrency > 0 && u.active >= b.concurrency && worst.wait < busyWait {
		worst = refusal{concurrencySetting, busyWait}
	}
	return worst
}

// waitFor is how many microseconds it takes until items fit.
func waitFor(used, items, capacity, rate int64) int64 {
	if over := used + (items-capacity)*minute; over > 0 && rate > 0 {
		return ceilDiv(over, rate)
	}
	return 0
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// charge counts a request that nothing refuses.
func (u *usage) charge(b bounds, tokens int64) {
	if b.requests > 0 {
		u.requests += minute
	}
	if b.tokens > 0 {
		u.tokens += tokens * minute
	}
	u.active++
}

// settle charges what a request really had in place of its estimate. What is given back above
// what is still used is lost, and what is owed is bounded to a minute's tokens.
func (u *usage) settle(b bounds, estimate, tokens int64) {
	if b.tokens > 0 {
		u.tokens += (min(tokens, 2*maxLimit) - estimate) * minute
		u.tokens = min(max(u.tokens, 0), (b.tokens+b.largest)*minute)
	}
	u.active--
}

// rest is in how many microseconds nothing is used.
func (u *usage) rest(b bounds) int64 {
	return max(resetOf(u.requests, b.requests), resetOf(u.tokens, b.tokens))
}

func resetOf(used, rate int64) int64 {
	if rate == 0 {
		return 0
	}
	return ceilDiv(used, rate)
}

func (u *usage) state(b bounds) State {
	return State{Requests: window(u.requests, b.burst, b.requests), Tokens: window(u.tokens, b.tokens, b.tokens)}
}

func window(used, capacity, rate int64) Window {
	left := max(capacity*minute-used, 0) / minute
	return Window{Limit: int(capacity), Remaining: int(left), Reset: duration(resetOf(used, rate))}
}

// duration is at most the longest, of some 290 years: a large burst at a low rate takes longer.
func duration(microseconds int64) time.Duration {
	return time.Duration(min(microseconds, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}
