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
  {{- if $w.topologySpread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "quadrate.selector" (list $ $component) | nindent 10 }}
  {{- end }}
  {{- if and (eq $component "rerank") $.Values.fetch.enabled }}
  initContainers:
    {{- $folders := list }}
    {{- range $.Values.fetch.models }}
    {{- $folder := last (splitList "/" .) }}
    {{- if has $folder $folders }}{{ fail (printf "fetch.models: two of them would be /models/%s" $folder) }}{{ end }}
    {{- $folders = append $folders $folder }}
    {{- include "quadrate.fetch" (list $ .) | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $component }}
      image: {{ include "quadrate.image" (dict "image" $.Values.image "default" $.Chart.AppVersion) }}
      imagePullPolicy: {{ $.Values.image.pullPolicy }}
      args: [-config, /etc/quadrate/config/server.yaml]
      {{- with $w.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $w.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 8000}
      {{- include "quadrate.probes" (list $component $w) | nindent 6 }}
      {{- if $w.preStopSeconds }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, {{ $w.preStopSeconds | quote }}]
      {{- end }}
      securityContext:
        {{- toYaml $.Values.securityContext | nindent 8 }}
      resources:
        {{- include "quadrate.resources" (list $gpu $w) | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/quadrate/config, readOnly: true}
        - {name: auth, mountPath: /etc/quadrate/auth, readOnly: true}
        - {name: limits, mountPath: /etc/quadrate/limits, readOnly: true}
        {{- if eq $component "rerank" }}
        - {name: models, mountPath: /models}
        {{- else if $w.rerankKey.existingSecret }}
        - {name: rerank-key, mountPath: /etc/quadrate/rerank-key, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap: {name: {{ include "quadrate.name" (list $ $component) }}}
    {{- include "quadrate.fileVolume" (list $ "auth" $.Values.auth) | nindent 4 }}
    {{- include "quadrate.fileVolume" (list $ "limits" $.Values.rateLimits) | nindent 4 }}
    {{- if eq $component "rerank" }}
    - name: models
      {{- if or $.Values.storage.enabled $.Values.storage.existingClaim }}
      persistentVolumeClaim: {claimName: {{ include "quadrate.claim" $ }}}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- else if $w.rerankKey.existingSecret }}
    - name: rerank-key
      secret:
        secretName: {{ $w.rerankKey.existingSecret }}
        items: [{key: {{ $w.rerankKey.key }}, path: key}]
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
{{- end }}

{{/* Probes. rerank has started once its models serve; the router does not wait for others. */}}
{{- define "quadrate.probes" -}}
{{- $w := index . 1 -}}
startupProbe:
  httpGet: {path: {{ if eq (index . 0) "rerank" }}/health/ready{{ else }}/health/live{{ end }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ max 12 (div (add (default 0 $w.startupSeconds) 4) 5) }}
livenessProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /health/ready, port: http}
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

{{/* A volume with a file of auth or rateLimits: (list $ name values). */}}
{{- define "quadrate.fileVolume" -}}
- name: {{ index . 1 }}
  {{- with (index . 2).existingSecret }}
  secret: {secretName: {{ . }}}
  {{- else }}
  configMap: {name: {{ include "quadrate.fullname" (index . 0) }}-{{ index . 1 }}}
  {{- end }}
{{- end }}

{{/* An init container that makes a model which is absent: (list $ model). */}}
{{- define "quadrate.fetch" -}}
{{- $ := index . 0 -}}{{- $model := index . 1 -}}
{{- $folder := last (splitList "/" $model) -}}
- name: fetch-{{ $folder | lower | replace "_" "-" | replace "." "-" | trunc 50 | trimSuffix "-" }}
  image: {{ include "quadrate.image" (dict "image" $.Values.fetch.image "default" $.Chart.AppVersion) }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  args:
    - {{ $model }}
    - --out
    - /models/{{ $folder }}
    - --if-absent
    {{- range $.Values.fetch.args }}
    - {{ . | quote }}
    {{- end }}
  {{- if or $.Values.fetch.tokenSecret.name $.Values.fetch.env }}
  env:
    {{- with $.Values.fetch.tokenSecret }}
    {{- if .name }}
    - name: HF_TOKEN
      valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
    {{- end }}
    {{- end }}
    {{- with $.Values.fetch.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  resources:
    {{- toYaml $.Values.fetch.resources | nindent 4 }}
  volumeMounts:
    - {name: models, mountPath: /models}
    - {name: tmp, mountPath: /tmp}
{{- end }}
