{{/* The pod of a workload: (list $ component values). */}}
{{- define "quadrate.pod" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
{{- $gpu := and (eq $component "rerank") $w.gpu.enabled -}}
metadata:
  labels:
    {{- merge (include "quadrate.labels" (list $ $component) | fromYaml) (default (dict) $w.podLabels) | toYaml | nindent 4 }}
  annotations:
    {{- merge (dict) (default (dict) $w.podAnnotations) (include "quadrate.podAnnotations" . | fromYaml) | toYaml | nindent 4 }}
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
  {{- if $gpu }}{{ $tolerations = concat (default list $tolerations) (default list $w.gpu.tolerations) }}{{ end }}
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
What is in an emptyDir is made anew by a start: by this a cluster's autoscaler may take the node
away, which it else leaves because of it.
*/}}
{{- define "quadrate.podAnnotations" -}}
{{- $storage := (index . 0).Values.storage -}}
{{- $volumes := list "tmp" }}
{{- if eq (index . 1) "rerank" }}
{{- if not (or $storage.enabled $storage.existingClaim) }}{{ $volumes = append $volumes "models" }}{{ end }}
{{- if $storage.readOnly }}{{ $volumes = append $volumes "engines" }}{{ end }}
{{- end -}}
checksum/server: {{ include "quadrate.configSum" . }}
cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: {{ join "," $volumes }}
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

{{/*
An autoscaler owns the replicas. To leave them out in a release that had them would set them to 1,
Kubernetes' default, until it has looked: so as many are said as there are, where Helm can see that.
*/}}
{{- define "quadrate.replicas" -}}
{{- $ := index . 0 -}}{{- $w := index . 2 -}}
{{- if or $w.hpa.enabled $w.keda.enabled }}
{{- dig "spec" "replicas" "" (lookup "apps/v1" "Deployment" $.Release.Namespace (include "quadrate.name" .)) -}}
{{- else }}
{{- $w.replicas -}}
{{- end }}
{{- end }}
