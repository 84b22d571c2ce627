package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
	"github.com/quadrate-maas/quadrate/telemetry/telemetrytest"
)

// A trace goes from the client's span over the request's to one for each attempt, and the upstream
// is told of that.
func TestTracesReachTheUpstream(t *testing.T) {
	t.Parallel()
	collector := telemetrytest.Start(t)
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	s.auth = clientKey("")
	s.rest = fmt.Sprintf("tracing: {endpoint: %q, service: gateway-of-the-test}", collector.URL)
	g := s.open()
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	up.Fail(upstreamtest.Fault{Name: upstreamtest.InternalError, Times: 1})
	a := g.embed(t, "m", []string{"a text"}, append(bearer(clientSecret), "Traceparent", "00-"+trace+"-"+parent+"-01", "Tracestate", "vendor=1")...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.header.Get("Traceparent"), trace)
	id := a.header.Get("X-Request-Id")
	require.NoError(t, g.stop())

	resource, _ := collector.Resource()
	require.Equal(t, "gateway-of-the-test", resource["service.name"])
	server := collector.Span("POST /v1/embeddings")
	require.Equal(t, []string{"server", trace, parent}, []string{server.Kind, server.TraceID, server.Parent})
	for name, value := range map[string]string{
		"http.response.status_code": "200", "quadrate.request_id": id, "quadrate.key": "team-a", "gen_ai.request.model": "m", "quadrate.backend": "up",
	} {
		require.Equal(t, value, server.Attributes[name], name)
	}
	var clients []telemetrytest.Span
	for _, span := range collector.Spans() {
		if span.Kind == "client" {
			clients = append(clients, span)
		}
		for _, value := range span.Attributes {
			require.NotContains(t, value, clientSecret)
		}
	}
	require.Len(t, clients, 2, "the one that failed, and its retry")
	asked := posts(up)
	require.Len(t, asked, 2)
	for i, span := range clients {
		require.Equal(t, "upstream embed", span.Name)
		require.Equal(t, []string{trace, server.ID}, []string{span.TraceID, span.Parent})
		require.Equal(t, "00-"+trace+"-"+span.ID+"-01", asked[i].Header.Get("Traceparent"))
		require.Equal(t, "vendor=1", asked[i].Header.Get("Tracestate"))
		require.Equal(t, i == 0, span.Failed)
		require.Equal(t, "up", span.Attributes["quadrate.upstream"])
		require.Equal(t, fmt.Sprint(i), span.Attributes["http.request.resend_count"])
		require.False(t, span.Start.Before(server.Start))
		require.False(t, span.End.After(server.End))
	}
	lines := g.lines(t, "request")
	require.Equal(t, trace, lines[len(lines)-1]["trace"])
}

// Without a collector a client's trace goes on to the upstream as it is.
func TestTracesPassWithoutACollector(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	require.Equal(t, http.StatusOK, g.embed(t, "m", []string{"x"}, "Traceparent", traceparent).status)
	require.Equal(t, traceparent, posts(up)[0].Header.Get("Traceparent"))
}

// Each request has one line, which says who asked, who answered, how much and how long, and never
// the key.
func TestOneLineARequest(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{Key: "upstream-secret", Delay: 20 * time.Millisecond})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", ", api_key: upstream-secret", up.URL)+"models:\n  - {name: m, aliases: [a], upstream: up, upstream_model: fake}\n")
	s.auth = fmt.Sprintf("keys:\n  - {name: team-a, hash: %q, models: [m]}\n  - {name: none, hash: %q, models: [x]}\n", auth.Hash(clientSecret), auth.Hash("qd_another"))
	g := s.open()
	asked := map[string]map[string]any{}
	ask := func(want map[string]any, model, secret, name string) {
		t.Helper()
		headers := []string{name, secret}
		if secret == "" {
			headers = nil
		}
		a := g.embed(t, model, []string{"one", "two words"}, headers...)
		require.Equal(t, want["status"], float64(a.status), a.body)
		require.NotContains(t, a.body, clientSecret)
		asked[a.header.Get("X-Request-Id")] = want
	}
	ask(map[string]any{"status": 200.0, "key": "team-a", "model": "m", "backend": "up", "tokens": 7.0, "items": 2.0, "level": "INFO"}, "a", "Bearer "+clientSecret, "Authorization")
	ask(map[string]any{"status": 200.0, "key": "team-a", "model": "m"}, "m", clientSecret, "X-Api-Key")
	ask(map[string]any{"status": 200.0, "key": "anonymous", "model": "m"}, "m", "", "")
	ask(map[string]any{"status": 401.0, "code": "invalid_api_key", "level": "WARN"}, "m", clientSecret+"x", "Api-Key")
	ask(map[string]any{"status": 403.0, "key": "none", "code": "model_not_allowed"}, "m", "qd_another", "X-Api-Key")
	ask(map[string]any{"status": 404.0, "key": "team-a", "code": "model_not_found"}, "no-such", clientSecret, "X-Api-Key")
	up.Fail(upstreamtest.Fault{Name: upstreamtest.BadKey})
	ask(map[string]any{"status": 502.0, "code": "upstream_credentials", "failed_by": "up", "level": "ERROR"}, "m", clientSecret, "X-Api-Key")
	require.Equal(t, 1.0, g.metric(t, "quadrate_errors_total", `code="upstream_credentials"`, `upstream="up"`))
	require.Equal(t, 1.0, g.metric(t, "quadrate_auth_refusals_total", `reason="unknown_key"`))
	require.NoError(t, g.stop())
	for _, line := range g.lines(t, "request") {
		want, is := asked[line["id"].(string)]
		if !is {
			continue // /metrics
		}
		delete(asked, line["id"].(string))
		for key, value := range want {
			require.Equal(t, value, line[key], "%s of %v", key, line)
		}
		require.Contains(t, line, "duration_ms")
		if want["status"] == 200.0 {
			require.GreaterOrEqual(t, line["duration_ms"], 20.0, line)
			require.Equal(t, 2.0, line["run_ms"], "as the upstream says")
			require.Equal(t, 2.0, line["items"])
		}
	}
	require.Empty(t, asked, "they have no line")
	for _, secret := range []string{clientSecret, "qd_another", "upstream-secret", strings.TrimPrefix(auth.Hash(clientSecret), "sha256:")} {
		require.NotContains(t, g.log.String(), secret)
	}
}

// The admin routes are for admins, and tell of upstreams.
func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: org/m, aliases: [a], upstream: up, upstream_model: fake}\n")
	s.auth = clientKey("") + adminKey
	g := s.open()
	for _, route := range []string{"/admin/models", "/admin/reload", "/admin/models/org/m/load"} {
		var body any
		if route != "/admin/models" {
			body = ""
		}
		require.Equal(t, http.StatusUnauthorized, g.ask(t, route, body).status, route)
		a := g.ask(t, route, body, bearer(clientSecret)...)
		require.Equal(t, http.StatusForbidden, a.status, route)
		require.Equal(t, "admin_only", a.failure(t).Error.Code)
	}
	require.Eventually(t, func() bool {
		seen := into[struct {
			Models []struct {
				Name    string
				State   string
				Aliases []string
			}
			Upstreams []struct {
				Name      string
				Endpoints []struct{ URL, State string }
			}
		}](t, g.ask(t, "/admin/models", nil, bearer(adminSecret)...))
		require.Len(t, seen.Models, 1)
		require.Equal(t, []string{"a"}, seen.Models[0].Aliases)
		return len(seen.Upstreams) == 1 && len(seen.Upstreams[0].Endpoints) == 1 && seen.Upstreams[0].Endpoints[0].URL == up.URL &&
			seen.Upstreams[0].Endpoints[0].State == "ready"
	}, 20*time.Second, 5*time.Millisecond)
	require.True(t, into[reloadReport](t, g.ask(t, "/admin/reload", "", bearer(adminSecret)...)).OK)
	a := g.ask(t, "/admin/models/org%2Fm/unload", "", bearer(adminSecret)...)
	require.Equal(t, http.StatusNotFound, a.status, a.body)
	require.Contains(t, a.failure(t).Error.Message, "models of upstreams are loaded by their upstreams")
	// What /health shows to everybody names no address.
	require.NotContains(t, g.ask(t, "/health", nil).body, up.URL)
}

// Keys, pages of other origins and an upstream with TLS of its own, over TLS.
func TestTLSCORSAndKeys(t *testing.T) {
	t.Parallel()
	cert, key, trusted := selfSigned(t)
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	inner := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	inner.server = fmt.Sprintf(", tls: {cert: %s, key: %s}, cors: {origins: [https://app.example.com]}", cert, key)
	inner.auth = clientKey("")
	secure := inner.open()
	url := "https://" + secure.addr + "/v1/embeddings"
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	const body = `{"model":"m","input":"x"}`
	for _, c := range []struct {
		method, origin string
		headers        []string
		status         int
		allowed        string
	}{
		{http.MethodOptions, "https://app.example.com", []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}, 204, "https://app.example.com"},
		{http.MethodPost, "https://app.example.com", bearer(clientSecret), 200, "https://app.example.com"},
		{http.MethodPost, "https://app.example.com", nil, 401, "https://app.example.com"},
		{http.MethodPost, "https://evil.example.com", bearer(clientSecret), 200, ""},
	} {
		a, err := send(t.Context(), client, c.method, url, body, append([]string{"Origin", c.origin}, c.headers...)...)
		require.NoError(t, err)
		require.Equal(t, c.status, a.status, a.body)
		require.Equal(t, c.allowed, a.header.Get("Access-Control-Allow-Origin"))
		if c.method == http.MethodOptions {
			require.Equal(t, "authorization", a.header.Get("Access-Control-Allow-Headers"))
		}
	}
	// A client that does not trust the certificate, and one that speaks plain HTTP.
	_, err := send(t.Context(), http.DefaultClient, http.MethodPost, url, body)
	require.ErrorContains(t, err, "certificate")
	_, err = send(t.Context(), http.DefaultClient, http.MethodPost, "http://"+secure.addr+"/v1/embeddings", body)
	require.Error(t, err)

	// Another gateway in front trusts it by its authority, and shows its own key.
	front := newSite(t, "upstreams:\n"+upstreamLine("inner", "quadrate", fmt.Sprintf(", api_key: %s, ca_file: %s", clientSecret, cert), "https://"+secure.addr)+
		upstreamLine("distrusting", "quadrate", ", retries: 0", "https://"+secure.addr)+`
models:
  - {name: m, upstream: inner}
  - {name: d, upstream: distrusting, upstream_model: m}
`).open()
	require.Len(t, front.vectors(t, "m", "x")[0], 384)
	a := front.embed(t, "d", []string{"x"})
	require.Equal(t, http.StatusBadGateway, a.status, a.body)
	require.Equal(t, "distrusting", a.failure(t).Error.Upstream)
	require.NoError(t, front.stop())
	require.False(t, bytes.Contains([]byte(front.log.String()), []byte(clientSecret)))
}
