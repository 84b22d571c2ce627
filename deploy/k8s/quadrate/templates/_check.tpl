{{/* Refuses values that contradict each other, which a schema cannot see, and says which. */}}
{{- define "quadrate.check" -}}
{{- if not (or .Values.router.enabled .Values.rerank.enabled) }}
{{- fail "router.enabled and rerank.enabled are both false: there is nothing to run" }}
{{- end }}
{{- range $component := list "router" "rerank" }}
{{- $w := get $.Values $component }}
{{- if $w.enabled }}
{{- include "quadrate.checkConfig" (list $component $w) }}
{{- include "quadrate.checkScaling" (list $component $w) }}
{{- end }}
{{- end }}
{{- range $name := list "auth" "rateLimits" }}
{{- $file := get $.Values $name }}
{{- if and $file.config $file.existingSecret }}
{{- fail (printf "%s.config and %s.existingSecret are both set: which of them holds?" $name $name) }}
{{- end }}
{{- end }}
{{- include "quadrate.checkNames" . }}
{{- include "quadrate.checkStorage" . }}
{{- end }}

{{/* What the chart itself puts into server.yaml: (list component values). */}}
{{- define "quadrate.checkConfig" -}}
{{- $component := index . 0 -}}{{- $config := (index . 1).config -}}
{{- $models := ternary "rerank.models" "router.upstreams and router.models" (eq $component "rerank") }}
{{- range $key, $instead := dict "models" $models "models_dir" "storage" "files" "auth and rateLimits" }}
{{- if hasKey $config $key }}{{ fail (printf "%s.config.%s is set by the chart: say it by %s" $component $key $instead) }}{{ end }}
{{- end }}
{{- $server := default dict $config.server }}
{{- range $key, $instead := dict
  "host" "service" "port" "service.port" "drain_delay" "drainSeconds" "shutdown_timeout" "shutdownSeconds" "tls" "tls.existingSecret" }}
{{- if hasKey $server $key }}{{ fail (printf "%s.config.server.%s is set by the chart: say it by %s.%s" $component $key $component $instead) }}{{ end }}
{{- end }}
{{- end }}

{{/* (list component values) */}}
{{- define "quadrate.checkScaling" -}}
{{- $component := index . 0 -}}{{- $w := index . 1 -}}
{{- if and $w.hpa.enabled $w.keda.enabled }}
{{- fail (printf "%s.hpa and %s.keda are both enabled, and would undo each other's work" $component $component) }}
{{- end }}
{{- range $by := list "hpa" "keda" }}
{{- $scaler := get $w $by }}
{{- if and $scaler.enabled (gt (int $scaler.minReplicas) (int $scaler.maxReplicas)) }}
{{- fail (printf "%s.%s.minReplicas is more than maxReplicas" $component $by) }}
{{- end }}
{{- end }}
{{- $none := list "0" "0%" }}
{{- if and (has (toString $w.maxSurge) $none) (has (toString $w.maxUnavailable) $none) }}
{{- fail (printf "%s.maxSurge and %s.maxUnavailable are both 0: no pod could be replaced" $component $component) }}
{{- end }}
{{- end }}

{{/* The server would refuse a name that two models have. */}}
{{- define "quadrate.checkNames" -}}
{{- $lists := list }}
{{- if .Values.rerank.enabled }}{{ $lists = append $lists (list "rerank.models" .Values.rerank.models) }}{{ end }}
{{- if .Values.router.enabled }}{{ $lists = append $lists (list "router.models" .Values.router.models) }}{{ end }}
{{- $seen := list }}
{{- range $list := $lists }}
{{- range $model := index $list 1 }}
{{- range $name := prepend (default list $model.aliases) $model.name }}
{{- if has $name $seen }}{{ fail (printf "%s: two models are called %q" (index $list 0) $name) }}{{ end }}
{{- $seen = append $seen $name }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.router.enabled .Values.rerank.enabled }}
{{- range .Values.router.upstreams }}
{{- if eq .name "rerank" }}{{ fail "router.upstreams: the chart adds the upstream rerank itself; call yours otherwise, or set rerank.enabled to false" }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "quadrate.checkStorage" -}}
{{- $storage := .Values.storage -}}{{- $rerank := .Values.rerank }}
{{- $claimed := or $storage.enabled $storage.existingClaim }}
{{- if and $storage.readOnly (not $claimed) }}
{{- fail "storage.readOnly needs storage.existingClaim or storage.enabled: an emptyDir that nobody writes stays empty" }}
{{- end }}
{{- if and $storage.readOnly .Values.fetch.enabled }}
{{- fail "storage.readOnly and fetch.enabled: a model that is absent could not be written" }}
{{- end }}
{{- if and $storage.enabled (not $storage.existingClaim) (has "ReadWriteOncePod" $storage.accessModes) }}
{{- if or $rerank.hpa.enabled $rerank.keda.enabled (gt (int $rerank.replicas) 1) }}
{{- fail "storage.accessModes: ReadWriteOncePod lets one pod use the volume, and rerank has more replicas" }}
{{- end }}
{{- if not (has (toString $rerank.maxSurge) (list "0" "0%")) }}
{{- fail "storage.accessModes: with ReadWriteOncePod a new pod cannot start before the old one is gone: set rerank.maxSurge: 0 and rerank.maxUnavailable: 1" }}
{{- end }}
{{- end }}
{{- end }}
