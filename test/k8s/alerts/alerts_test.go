package alerts

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../../../"

// rules are the alerts' expressions by name.
func rules(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(root + "deploy/k8s/quadrate/files/alerts.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	found := map[string]string{}
	for _, rule := range file.Groups[0].Rules {
		found[rule.Alert] = strings.ReplaceAll(rule.Expr, "\n", " ")
	}
	return found
}

// The file has series, and below them what each alert is to answer: which are for whom, and that
// others raise none. <Name> stands for the alert's expression.
func TestAlertsAreRaisedForWhatTheyMean(t *testing.T) {
	text, err := os.ReadFile("testdata/alerts.txt")
	require.NoError(t, err)
	script, all := string(text), rules(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		require.Contains(t, script, "<"+name+">", "testdata/alerts.txt says nothing of it")
		script = strings.ReplaceAll(script, "<"+name+">", all[name])
	}
	require.NotContains(t, script, "<Quadrate", "there is no such alert")
	promqltest.RunTest(t, script, promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples: 100_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	}))
}

type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

func TestTheDashboardAsksInPromQL(t *testing.T) {
	text, err := os.ReadFile(root + "deploy/compose/grafana/dashboards/quadrate.json")
	require.NoError(t, err)
	var board panel
	require.NoError(t, json.Unmarshal(text, &board))
	asked := 0
	for left := board.Panels; len(left) > 0; left = left[1:] {
		left = append(left, left[0].Panels...)
		for _, target := range left[0].Targets {
			asked++
			_, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			require.NoError(t, err, left[0].Title)
		}
	}
	require.Greater(t, asked, 20)
}
