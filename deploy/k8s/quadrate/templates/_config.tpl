{{/*
server.yaml of a workload: (list $ component values). What the chart depends on cannot be in config,
which quadrate.check refuses; the rest is a default that config may say otherwise. The empty host is
every address, as a pod may have one of IPv6 alone.
*/}}
{{- define "quadrate.serverConfig" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
{{- $models := list }}
{{- if eq $component "rerank" }}{{ $models = $w.models }}{{ end }}
{{- $default := dict
  "log" (dict "format" "json")
  "runtime" (dict "tensorrt_cache" (ternary "/var/cache/quadrate" "/models/.tensorrt" $.Values.storage.readOnly)) }}
{{- $server := dict "host" "" "port" 8000 "drain_delay" (printf "%ds" (int $w.drainSeconds)) "shutdown_timeout" (printf "%ds" (int $w.shutdownSeconds)) }}
{{- if $w.tls.existingSecret }}{{ $_ := set $server "tls" (dict "cert" "/etc/quadrate/tls/tls.crt" "key" "/etc/quadrate/tls/tls.key") }}{{ end }}
{{- $set := dict
  "models_dir" "/models"
  "server" $server
  "files" (dict "routing" "/etc/quadrate/config/routing.yaml" "auth" "/etc/quadrate/auth/auth.yaml" "rate_limits" "/etc/quadrate/limits/rate_limits.yaml")
  "models" $models }}
{{- toYaml (mergeOverwrite $default (deepCopy $w.config) $set) }}
{{- end }}

{{/* rerank as the router's upstream: each pod's own address and port, which a headless Service does not map. */}}
{{- define "quadrate.rerankUpstream" -}}
{{- $rerank := .Values.rerank }}
{{- $upstream := dict "name" "rerank" "type" "quadrate" "urls" (list (printf "dns+%s://%s-pods.%s.svc:8000" (include "quadrate.scheme" $rerank) (include "quadrate.name" (list . "rerank")) .Release.Namespace)) }}
{{- if and $rerank.tls.existingSecret $rerank.tls.caKey }}{{ $_ := set $upstream "ca_file" "/etc/quadrate/rerank-ca/ca.crt" }}{{ end }}
{{- if .Values.router.rerankKey.existingSecret }}{{ $_ := set $upstream "api_key" "file:/etc/quadrate/rerank-key/key" }}{{ end }}
{{- with .Values.router.rerankTimeout }}{{ $_ := set $upstream "timeout" . }}{{ end }}
{{- toYaml $upstream }}
{{- end }}

{{/* routing.yaml of the router: the local models of rerank, then what its values add. */}}
{{- define "quadrate.routing" -}}
{{- $upstreams := default list .Values.router.upstreams }}
{{- $models := default list .Values.router.models }}
{{- if .Values.rerank.enabled }}
{{- $upstreams = prepend $upstreams (include "quadrate.rerankUpstream" . | fromYaml) }}
{{- $local := list }}
{{- range .Values.rerank.models }}
{{- $local = append $local (dict "name" .name "upstream" "rerank" "tasks" .tasks) }}
{{- $name := .name }}{{- $tasks := .tasks }}
{{- range .aliases }}{{ $local = append $local (dict "name" . "upstream" "rerank" "upstream_model" $name "tasks" $tasks) }}{{ end }}
{{- end }}
{{- $models = concat $local $models }}
{{- end }}
{{- toYaml (dict "upstreams" $upstreams "models" $models) }}
{{- end }}

{{/*
A server reads changed files anew; what only a start reads is in this sum, so that pods are replaced
for it: server.yaml but for its models, and where the counts of rate limits are.
*/}}
{{- define "quadrate.configSum" -}}
{{ list (omit (include "quadrate.serverConfig" . | fromYaml) "models") (default "" (index . 0).Values.rateLimits.config.store) | toJson | sha256sum }}
{{- end }}
