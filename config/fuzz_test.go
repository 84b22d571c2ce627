package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is in the files, Load answers with a configuration or with problems, and what it
// accepts can be used.
func FuzzLoad(f *testing.F) {
	all := map[string][]string{}
	for _, d := range documents {
		pattern := "testdata/" + d.path + "/*.bad.yaml"
		if d.path == "" {
			pattern = "testdata/*.bad.yaml"
		}
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		files = append(files, "../configs/"+d.file(), "../configs/examples/gateway.yaml")
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(f, err)
			all[d.path] = append(all[d.path], string(text))
		}
	}
	for i, n := 0, len(all[documents[1].path]); i < n; i++ {
		at := func(path string) string { return all[path][i%len(all[path])] }
		f.Add(at(""), at("routing"), at("auth"), at("rate_limits"), "QUADRATE_SERVER_PORT=1\nOLLAMA_MODELS=a\n")
	}
	f.Add(minimal, "upstreams: &a [*a]\n", "", "", "RERANK_MODEL_MAPPING={\"a\": \"b\"}\nVLLM_MODELS=\n")
	containers, err := os.ReadFile("../configs/examples/containers-routing.yaml")
	require.NoError(f, err)
	f.Add(minimal, string(containers), "", "", "VLLM_DOCKER_IMAGE=vllm:v0.9\nVLLM_ARGS='--x \"y\"'\nTEI_DOCKER_IMAGE=tei\nTEI_MODELS=a,b\n")
	f.Fuzz(func(t *testing.T, server, routing, auth, limits, dotEnv string) {
		dir := workspace(t, map[string]string{
			DefaultFile: server, "configs/routing.yaml": routing, "configs/auth.yaml": auth, "configs/rate_limits.yaml": limits, ".env": dotEnv,
		})
		cfg, err := Load(LoadOptions{Dir: dir})
		if err != nil {
			require.ErrorAs(t, err, new(LoadError))
			return
		}
		require.Len(t, cfg.RateLimits.Proxies(), len(cfg.RateLimits.TrustedProxies))
		require.Len(t, cfg.Specs(), len(cfg.Models))
		for _, k := range cfg.Auth.Keys {
			require.Equal(t, k.Expires == "", k.ExpiresAt().IsZero())
		}
		for _, u := range cfg.Routing.Upstreams {
			m := u.Managed
			require.Equal(t, m.On(), len(u.URLs) == 0)
			require.Equal(t, m.On(), m.ContainerPort > 0 && m.Model != "")
		}
		require.Empty(t, Restart(cfg, cfg))
	})
}
