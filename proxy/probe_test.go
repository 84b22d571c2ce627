package proxy

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Every type is probed by what its dialect has to ask for; Jina's has nothing, and stays in.
func TestEveryTypeIsProbedAsItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range Types() {
			w := newWorld()
			s := w.seams()
			s.dialect = nil
			w.at("http://s0", always(http.StatusOK, "{}"))
			p := openPool(t, Upstream{Name: "one", Type: kind, URLs: urls(1)}, Hooks{}, s)
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, e := range inside(p) {
				require.Equal(t, kind == TypeJina, e.lastProbe.IsZero(), kind)
				require.True(t, e.in(), kind)
			}
		}
	})
}
