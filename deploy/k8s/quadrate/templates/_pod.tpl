{{/* The pod of a workload: (list $ component values). */}}
{{- define "quadrate.pod" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
{{- $gpu := and (eq $component "rerank") $w.gpu.enabled -}}
metadata:
  labels:
    {{- include "quadrate.labels" (list $ $component) | nindent 4 }}
    {{- with $w.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/server: {{ include "quadrate.configSum" . }}
    {{- with $w.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "quadrate.serviceAccount" $ }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $w.preStopSeconds $w.drainSeconds $w.shutdownSeconds 5 }}
  securityContext:
    {{- toYaml $.Values.podSecurityContext | nindent 4 }}
  {{- with $.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $w.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if $gpu }}
  {{- with $w.gpu.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- end }}
  {{- with $w.resourceClaims }}
  resourceClaims:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $w.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $w.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $tolerations := $w.tolerations }}
  {{- if $gpu }}{{ $tolerations = concat $tolerations $w.gpu.tolerations }}{{ end }}
  {{- with $tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "quadrate.spread" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "quadrate.initContainers" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    {{- include "quadrate.container" . | nindent 4 }}
    {{- with $w.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "quadrate.volumes" . | nindent 4 }}
{{- end }}

{{/*
How the pods are spread. matchLabelKeys: over those of one revision, so that a rollout does not
count the pods that it replaces.
*/}}
{{- define "quadrate.spread" -}}
{{- $w := index . 2 -}}
{{- $constraints := $w.topologySpreadConstraints }}
{{- if and $w.topologySpread (not $constraints) }}
{{- $constraints = list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" "matchLabelKeys" (list "pod-template-hash")) }}
{{- end }}
{{- $selector := dict "matchLabels" (include "quadrate.selector" (list (index . 0) (index . 1)) | fromYaml) }}
{{- with $constraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $constraint := . }}
  {{- if not (hasKey . "labelSelector") }}{{ $constraint = merge (dict "labelSelector" $selector) . }}{{ end }}
  - {{ toYaml $constraint | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The chart's own come after those of the values, on which a fetch may depend. */}}
{{- define "quadrate.initContainers" -}}
{{- $ := index . 0 -}}{{- $w := index . 2 -}}
{{- $fetches := and (eq (index . 1) "rerank") $.Values.fetch.enabled }}
{{- if or $w.initContainers $fetches }}
initContainers:
  {{- with $w.initContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if $fetches }}
  {{- include "quadrate.fetches" $ | trim | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
