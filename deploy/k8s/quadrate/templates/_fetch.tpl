{{/* Init containers that make the models that are absent. */}}
{{- define "quadrate.fetches" -}}
{{- $folders := list }}
{{- range .Values.fetch.models }}
{{- $model := . }}
{{- if kindIs "string" . }}{{ $model = dict "name" . }}{{ end }}
{{- $folder := default (last (splitList "/" $model.name)) $model.folder }}
{{- if has $folder $folders }}{{ fail (printf "fetch.models: two of them would be /models/%s" $folder) }}{{ end }}
{{- $folders = append $folders $folder }}
{{ include "quadrate.fetch" (list $ $model $folder) }}
{{- end }}
{{- end }}

{{/* One of them: (list $ model folder). The server's own image has the exporter, unless it was built without. */}}
{{- define "quadrate.fetch" -}}
{{- $ := index . 0 -}}{{- $fetch := $.Values.fetch -}}{{- $model := index . 1 -}}{{- $folder := index . 2 -}}
{{- $image := include "quadrate.ownImage" (list $ (ternary $fetch $.Values.rerank (not (empty $fetch.image)))) | fromYaml -}}
- name: fetch-{{ $folder | lower | replace "_" "-" | replace "." "-" | trunc 50 | trimSuffix "-" }}
  image: {{ include "quadrate.image" (dict "image" $image "default" $.Chart.AppVersion) }}
  imagePullPolicy: {{ $image.pullPolicy }}
  command: [/usr/local/bin/quadrate-export]
  args:
    - {{ $model.name }}
    - --out
    - /models/{{ $folder }}
    - --if-absent
    {{- with $model.revision }}
    - --revision
    - {{ . | quote }}
    {{- end }}
    {{- range concat (default list $fetch.args) (default list $model.args) }}
    - {{ . | quote }}
    {{- end }}
  {{- $gpu := $.Values.rerank.gpu.enabled }}
  {{- if or $fetch.tokenSecret.name $fetch.env $gpu }}
  env:
    {{- if $gpu }}
    # The CUDA image asks for all GPUs of the node, and those of others are not to be seen here.
    - {name: NVIDIA_VISIBLE_DEVICES, value: void}
    {{- end }}
    {{- with $fetch.tokenSecret }}
    {{- if .name }}
    - name: HF_TOKEN
      valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
    {{- end }}
    {{- end }}
    {{- with $fetch.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with $fetch.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  resources:
    {{- toYaml $fetch.resources | nindent 4 }}
  volumeMounts:
    - {name: models, mountPath: /models}
    - {name: tmp, mountPath: /tmp}
    {{- with $fetch.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
