package playground

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// route is an operation and those that are the same by other paths.
type route struct {
	method, path string
	operation
	same []string
}

func (r route) heading() string { return r.method + " " + r.path }

func (r route) link() string { return "[`" + r.heading() + "`](#" + anchor(r.heading()) + ")" }

// routes are the operations, in the order of the source.
func (d *description) routes(t *testing.T) []route {
	var list []route
	for _, p := range d.Paths {
		for _, o := range p.value {
			r := route{method: strings.ToUpper(o.name), path: p.name, operation: o.value}
			at := slices.IndexFunc(list, func(other route) bool { return alike(other.operation, r.operation) })
			if at < 0 {
				list = append(list, r)
				continue
			}
			rest, says := strings.CutPrefix(r.Summary, "The same as "+list[at].path)
			require.True(t, says, "%s is the same as %s", r.path, list[at].path)
			same := "`" + r.path + "`"
			if rest != "" {
				same += " (" + strings.TrimPrefix(rest, ", ") + ")"
			}
			list[at].same = append(list[at].same, same)
		}
	}
	return list
}

// alike tells whether two operations differ in their names only.
func alike(a, b operation) bool {
	a.Summary, a.ID = b.Summary, b.ID
	return reflect.DeepEqual(a, b)
}

// anchor is a heading's address, as GitHub makes it.
func anchor(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
