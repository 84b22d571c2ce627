{{/*
An alert's expression about this release's servers alone: (list $ expression). The file knows them by
"quadrate" in the job's name, and every metric of ours by itself; here they are in a namespace, with a
Service each.
*/}}
{{- define "quadrate.ownAlert" -}}
{{- $ := index . 0 -}}
{{- $namespace := printf "namespace=%q" $.Release.Namespace }}
{{- $jobs := printf "%s, job=~\"%s-(router|rerank)\"" $namespace (include "quadrate.fullname" $) }}
{{- $expr := index . 1 | replace "job=~\".*quadrate.*\"" $jobs }}
{{- $expr = regexReplaceAll "\\b(quadrate_[a-z_]+)\\{" $expr (printf "${1}{%s, " $namespace) }}
{{- regexReplaceAll "\\b(quadrate_[a-z_]+)([^a-z_{]|$)" $expr (printf "${1}{%s}${2}" $namespace) }}
{{- end }}
