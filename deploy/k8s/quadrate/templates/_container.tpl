{{/* The container of a workload: (list $ component values). */}}
{{- define "quadrate.container" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
{{- $image := include "quadrate.ownImage" (list $ $w) | fromYaml -}}
- name: {{ $component }}
  image: {{ include "quadrate.image" (dict "image" $image "default" $.Chart.AppVersion) }}
  imagePullPolicy: {{ $image.pullPolicy }}
  args: [-config, /etc/quadrate/config/server.yaml]
  {{- with $w.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $w.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000}
  {{- include "quadrate.probes" (list $component $w) | nindent 2 }}
  {{- if $w.preStopSeconds }}
  lifecycle:
    preStop:
      exec:
        command: [sleep, {{ $w.preStopSeconds | quote }}]
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  resources:
    {{- include "quadrate.resources" (list (and (eq $component "rerank") $w.gpu.enabled) $w) | nindent 4 }}
  volumeMounts:
    {{- include "quadrate.mounts" . | nindent 4 }}
{{- end }}

{{/* Probes. rerank has started once its models serve; the router does not wait for others. */}}
{{- define "quadrate.probes" -}}
{{- $w := index . 1 -}}
{{- $scheme := "" -}}
{{- if $w.tls.existingSecret }}{{ $scheme = ", scheme: HTTPS" }}{{ end -}}
startupProbe:
  httpGet: {path: {{ if eq (index . 0) "rerank" }}/health/ready{{ else }}/health/live{{ end }}, port: http{{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ max 12 (div (add (default 0 $w.startupSeconds) 4) 5) }}
livenessProbe:
  httpGet: {path: /health/live, port: http{{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /health/ready, port: http{{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 1
{{- end }}

{{/* Resources, with the GPU added where there is one: (list gpu values). */}}
{{- define "quadrate.resources" -}}
{{- $w := index . 1 -}}
{{- $r := deepCopy $w.resources }}
{{- if index . 0 }}
{{- range $kind := list "limits" "requests" }}
{{- $_ := set $r $kind (merge (dict $w.gpu.resource $w.gpu.count) (default (dict) (get $r $kind))) }}
{{- end }}
{{- end }}
{{- toYaml $r }}
{{- end }}
