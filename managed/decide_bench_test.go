package managed

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDecide decides on 100 units of which a third is wanted and the rest holds all there is.
func BenchmarkDecide(b *testing.B) {
	v := View{Now: noon, MaxWait: time.Minute, Budgets: Budgets{HostMB: 660, GPUs: map[string]int{"0": 330, "1": 330}}}
	for i := range 100 {
		id, with := fmt.Sprint("u", i), []func(*Unit){host(10), gpu(10, fmt.Sprint(i%2)), priority(i % 5)}
		if i%10 == 0 {
			with = append(with, group)
		}
		u := running(id, append(with, busy)...)
		if i%3 == 0 {
			u = wanted(id, time.Duration(i)*time.Second, with...)
		}
		v.Units = append(v.Units, u)
	}
	b.ReportAllocs()
	for b.Loop() {
		Decide(v)
	}
}
