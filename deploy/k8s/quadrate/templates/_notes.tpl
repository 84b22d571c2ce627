{{/* What is told after an installation: how to see that it works, what it needs, what is not right for production. */}}
{{- define "quadrate.notes" -}}
{{- $door := include "quadrate.door" . -}}{{- $w := get .Values $door -}}
{{- $name := include "quadrate.name" (list . $door) -}}
{{- $scheme := include "quadrate.scheme" $w -}}
{{- $key := ternary " --header \"Authorization: Bearer $KEY\"" "" (or (not (empty .Values.auth.existingSecret)) (not (empty .Values.auth.config))) -}}
Watch the start:  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $name }}
{{- if and .Values.router.enabled .Values.rerank.enabled }}
The router is ready once a model of deployment/{{ include "quadrate.name" (list . "rerank") }}, or of another server, can serve.
{{- end }}
Then ask:  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $name }} 8000:{{ $w.service.port }}
           curl{{ if eq $scheme "https" }} --insecure{{ end }}{{ $key }} {{ $scheme }}://localhost:8000/v1/models
In the cluster it is  {{ $scheme }}://{{ $name }}.{{ .Release.Namespace }}.svc:{{ $w.service.port }}
{{- range .Values.ingress.enabled | ternary .Values.ingress.hosts list }}
Outside it is  {{ $.Values.ingress.tls | empty | ternary "http" "https" }}://{{ .host }}{{ default "/" .path }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- range .Values.httpRoute.hostnames }}
Outside it is  {{ . }}, by the gateway's own scheme and port
{{- end }}
{{- end }}
{{- with include "quadrate.secretsWanted" . | trim }}

These secrets have to be in the namespace, or pods wait for them:
{{ . }}
{{- end }}
{{- with include "quadrate.warnings" . | trim }}

Mind:
{{ . }}
{{- end }}
{{- end }}

{{- define "quadrate.secretsWanted" -}}
{{- with .Values.auth.existingSecret }}
- {{ . }}: auth.yaml
{{- end }}
{{- with .Values.rateLimits.existingSecret }}
- {{ . }}: rate_limits.yaml
{{- end }}
{{- if and .Values.router.enabled .Values.router.rerankKey.existingSecret }}
- {{ .Values.router.rerankKey.existingSecret }}: {{ .Values.router.rerankKey.key }}
{{- end }}
{{- range $component := list "router" "rerank" }}
{{- $w := get $.Values $component }}
{{- if and $w.enabled $w.tls.existingSecret }}
- {{ $w.tls.existingSecret }}: tls.crt, tls.key{{ with $w.tls.caKey }}, {{ . }}{{ end }}
{{- end }}
{{- end }}
{{- if and .Values.rerank.enabled .Values.fetch.enabled .Values.fetch.tokenSecret.name }}
- {{ .Values.fetch.tokenSecret.name }}: {{ .Values.fetch.tokenSecret.key }}
{{- end }}
{{- range .Values.image.pullSecrets }}
- {{ . }}: of the image's registry
{{- end }}
{{- end }}

{{- define "quadrate.warnings" -}}
{{- $auth := or .Values.auth.existingSecret .Values.auth.config }}
{{- $rerank := .Values.rerank }}
{{- $claimed := or .Values.storage.enabled .Values.storage.existingClaim }}
{{- range $component := list "router" "rerank" }}
{{- $w := get $.Values $component }}
{{- $image := include "quadrate.ownImage" (list $ $w) | fromYaml }}
{{- if and $w.enabled (not (contains "/" $image.repository)) }}
- {{ $component }} runs the image {{ $image.repository }}, which names no registry: its nodes need to have it. Else set image.repository.
{{- end }}
{{- end }}
{{- if not $auth }}
- Everybody who reaches it may use every model: set auth.existingSecret or auth.config.
{{- end }}
{{- if and .Values.router.enabled $rerank.enabled $auth (not .Values.router.rerankKey.existingSecret) }}
- The router calls rerank without a key: where auth lets nobody in without one, set router.rerankKey.existingSecret.
{{- end }}
{{- if $rerank.enabled }}
{{- if and .Values.fetch.enabled (not $claimed) }}
- fetch writes to an emptyDir: every pod fetches and exports the models anew. Set storage.enabled or storage.existingClaim.
{{- end }}
{{- if and $claimed (not .Values.storage.existingClaim) (not (has "ReadWriteMany" .Values.storage.accessModes)) (not .Values.storage.readOnly) }}
{{- if or (gt (int $rerank.replicas) 1) $rerank.hpa.enabled $rerank.keda.enabled (not (has (toString $rerank.maxSurge) (list "0" "0%"))) }}
- The models volume is for one node at a time ({{ join ", " .Values.storage.accessModes }}): a pod on another waits for ever. Replicas, and with maxSurge those that replace them, have to be on one.
{{- end }}
{{- end }}
{{- if and (not (or $rerank.hpa.enabled $rerank.keda.enabled)) (lt (int $rerank.replicas) 2) }}
- rerank has one replica: a node's drain stops its models until another pod has started.
{{- end }}
{{- end }}
{{- if and .Values.router.enabled (not $rerank.enabled) (not .Values.router.upstreams) (not .Values.router.env) (not .Values.router.envFrom) }}
- The router has no models: set router.upstreams and router.models, or enable rerank.
{{- end }}
{{- if not .Values.networkPolicy.enabled }}
- networkPolicy is off: every pod of the cluster reaches rerank.
{{- end }}
{{- end }}
