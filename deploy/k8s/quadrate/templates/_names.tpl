{{- define "quadrate.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{/* The name of a workload and all that belongs to it: (list $ "router"). */}}
{{- define "quadrate.name" -}}
{{ include "quadrate.fullname" (index . 0) }}-{{ index . 1 }}
{{- end }}

{{- define "quadrate.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* The labels of what belongs to a component, or to all: (list $ ""). */}}
{{- define "quadrate.labels" -}}
{{- $ := index . 0 -}}
{{ include "quadrate.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object: (list $ component annotations), and after them labels where it has some of its own. */}}
{{- define "quadrate.metadata" -}}
{{- $ := index . 0 -}}
name: {{ if index . 1 }}{{ include "quadrate.name" . }}{{ else }}{{ include "quadrate.fullname" $ }}{{ end }}
namespace: {{ $.Release.Namespace }}
labels:
  {{- include "quadrate.labels" . | nindent 2 }}
  {{- if gt (len .) 3 }}
  {{- with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- with merge (dict) (default (dict) (index . 2)) (default (dict) $.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An image's reference: (dict "image" … "default" tag). */}}
{{- define "quadrate.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}{{ else }}{{ .image.repository }}:{{ default .default .image.tag }}{{ end }}
{{- end }}

{{/*
The image of a workload as YAML: (list $ values). What it says itself comes before the image of all.
A digest is of one repository and stands for a tag, so that neither is taken from there beside another.
*/}}
{{- define "quadrate.ownImage" -}}
{{- $all := omit (index . 0).Values.image "pullSecrets" -}}{{- $own := (index . 1).image -}}
{{- if or $own.repository $own.tag $own.digest }}{{ $all = omit $all "digest" }}{{ end }}
{{- if or $own.tag $own.digest }}{{ $all = omit $all "tag" }}{{ end }}
{{- range $key, $value := $own }}{{ if $value }}{{ $_ := set $all $key $value }}{{ end }}{{ end }}
{{- toYaml $all }}
{{- end }}

{{- define "quadrate.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "quadrate.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* The Service that those outside are led to: the router's, or without one rerank's. */}}
{{- define "quadrate.door" -}}
{{ ternary "router" "rerank" .Values.router.enabled }}
{{- end }}

{{/* What a workload speaks, by its values. */}}
{{- define "quadrate.scheme" -}}
{{ ternary "https" "http" (not (empty .tls.existingSecret)) }}
{{- end }}

{{- define "quadrate.claim" -}}
{{ default (printf "%s-models" (include "quadrate.fullname" .)) .Values.storage.existingClaim }}
{{- end }}

{{/* How Prometheus, which asks pods by their addresses, knows a workload's certificate: by the name that others call it by. */}}
{{- define "quadrate.scrapeTLS" -}}
{{- $ := index . 0 -}}{{- $tls := (index . 2).tls -}}
{{- $config := dict "serverName" (printf "%s.%s.svc" (include "quadrate.name" (list $ (ternary "router" "rerank-pods" (eq (index . 1) "router")))) $.Release.Namespace) }}
{{- with $tls.caKey }}{{ $_ := set $config "ca" (dict "secret" (dict "name" $tls.existingSecret "key" .)) }}{{ end }}
{{- toYaml (default $config $.Values.serviceMonitor.tlsConfig) }}
{{- end }}
