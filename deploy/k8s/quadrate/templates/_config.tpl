{{/* server.yaml of a workload: what the chart sets wins over config. (list $ component values) */}}
{{- define "quadrate.serverConfig" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
{{- $models := list }}
{{- if eq $component "rerank" }}{{ $models = $w.models }}{{ end }}
{{- $set := dict
  "models_dir" "/models"
  "log" (dict "format" "json")
  "server" (dict "host" "0.0.0.0" "port" 8000 "drain_delay" (printf "%ds" (int $w.drainSeconds)) "shutdown_timeout" (printf "%ds" (int $w.shutdownSeconds)))
  "files" (dict "routing" "/etc/quadrate/config/routing.yaml" "auth" "/etc/quadrate/auth/auth.yaml" "rate_limits" "/etc/quadrate/limits/rate_limits.yaml")
  "runtime" (dict "tensorrt_cache" "/models/.tensorrt")
  "models" $models }}
{{- toYaml (mergeOverwrite (deepCopy $w.config) $set) }}
{{- end }}

{{/* routing.yaml of the router: the local models of rerank, then what its values add. */}}
{{- define "quadrate.routing" -}}
{{- $upstreams := .Values.router.upstreams }}
{{- $models := .Values.router.models }}
{{- if .Values.rerank.enabled }}
{{- $rerank := dict "name" "rerank" "type" "quadrate" "urls" (list (printf "dns+http://%s-pods.%s.svc:%d" (include "quadrate.name" (list . "rerank")) .Release.Namespace (int .Values.rerank.service.port))) }}
{{- if .Values.router.rerankKey.existingSecret }}{{ $_ := set $rerank "api_key" "file:/etc/quadrate/rerank-key/key" }}{{ end }}
{{- with .Values.router.rerankTimeout }}{{ $_ := set $rerank "timeout" . }}{{ end }}
{{- $upstreams = prepend $upstreams $rerank }}
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

{{/* A server reads changed files anew; what only a start reads is in this sum, so that pods are replaced for it. */}}
{{- define "quadrate.configSum" -}}
{{ omit (include "quadrate.serverConfig" . | fromYaml) "models" | toJson | sha256sum }}
{{- end }}
