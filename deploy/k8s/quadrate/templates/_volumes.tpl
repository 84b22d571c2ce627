{{/*
Folders are mounted and never single files, which the kubelet would not renew: a change of a
ConfigMap or a secret comes to the server by itself.
*/}}
{{- define "quadrate.mounts" -}}
{{- $ := index . 0 -}}{{- $w := index . 2 -}}
- {name: config, mountPath: /etc/quadrate/config, readOnly: true}
- {name: auth, mountPath: /etc/quadrate/auth, readOnly: true}
- {name: limits, mountPath: /etc/quadrate/limits, readOnly: true}
{{- if $w.tls.existingSecret }}
- {name: tls, mountPath: /etc/quadrate/tls, readOnly: true}
{{- end }}
{{- if eq (index . 1) "rerank" }}
- {name: models, mountPath: /models{{ if $.Values.storage.readOnly }}, readOnly: true{{ end }}}
{{- if $.Values.storage.readOnly }}
- {name: engines, mountPath: /var/cache/quadrate}
{{- end }}
{{- else }}
{{- if $w.rerankKey.existingSecret }}
- {name: rerank-key, mountPath: /etc/quadrate/rerank-key, readOnly: true}
{{- end }}
{{- if include "quadrate.rerankCA" $ }}
- {name: rerank-ca, mountPath: /etc/quadrate/rerank-ca, readOnly: true}
{{- end }}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- with $w.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes of a workload: (list $ component values). */}}
{{- define "quadrate.volumes" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $w := index . 2 -}}
- name: config
  configMap: {name: {{ include "quadrate.name" (list $ $component) }}}
{{ include "quadrate.fileVolume" (list $ "auth" $.Values.auth) }}
{{ include "quadrate.fileVolume" (list $ "limits" $.Values.rateLimits) }}
{{- with $w.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . }}}
{{- end }}
{{- with include (printf "quadrate.%sVolumes" $component) $ | trim }}
{{ . }}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- with $w.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "quadrate.rerankVolumes" -}}
- name: models
  {{- if or .Values.storage.enabled .Values.storage.existingClaim }}
  persistentVolumeClaim: {claimName: {{ include "quadrate.claim" . }}{{ if .Values.storage.readOnly }}, readOnly: true{{ end }}}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- if .Values.storage.readOnly }}
- name: engines
  emptyDir: {}
{{- end }}
{{- end }}

{{/* The router has rerank's authority, and not its private key. */}}
{{- define "quadrate.routerVolumes" -}}
{{- with .Values.router.rerankKey }}
{{- if .existingSecret }}
- name: rerank-key
  secret:
    secretName: {{ .existingSecret }}
    items: [{key: {{ .key }}, path: key}]
{{- end }}
{{- end }}
{{- if include "quadrate.rerankCA" . }}
- name: rerank-ca
  secret:
    secretName: {{ .Values.rerank.tls.existingSecret }}
    items: [{key: {{ .Values.rerank.tls.caKey }}, path: ca.crt}]
{{- end }}
{{- end }}

{{/* Whether the router has to be given the authority that signed rerank's certificate. */}}
{{- define "quadrate.rerankCA" -}}
{{- if and .Values.rerank.enabled .Values.rerank.tls.existingSecret .Values.rerank.tls.caKey }}yes{{ end }}
{{- end }}

{{/* A volume with a file of auth or rateLimits: (list $ name values). */}}
{{- define "quadrate.fileVolume" -}}
- name: {{ index . 1 }}
  {{- with (index . 2).existingSecret }}
  secret: {secretName: {{ . }}}
  {{- else }}
  configMap: {name: {{ include "quadrate.fullname" (index . 0) }}-{{ index . 1 }}}
  {{- end }}
{{- end }}
