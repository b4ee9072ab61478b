{{/* These templates work in this chart and in a chart that has it as a dependency, whose values contain this chart's. */}}

{{- define "mcp-observability.values" -}}
{{- $values := .Values }}
{{- if ne .Chart.Name "mcp-observability" }}
{{- $values = required "mcp-observability: the values of this dependency are missing; the dependency must not have an alias" (index .Values "mcp-observability") }}
{{- end }}
{{- toYaml $values }}
{{- end }}

{{- define "mcp-observability.name" -}}
{{/* Helm limits a release's name to 53 bytes, which leaves room for suffixes. A Service's name has no dots. */}}
{{- .Release.Name | replace "." "-" }}
{{- end }}

{{/* Labels that select this release's sidecars. A pod with the containers must have them. */}}
{{- define "mcp-observability.podLabels" -}}
app.kubernetes.io/part-of: mcp-observability
mcp-observability/release: {{ include "mcp-observability.name" . }}
{{- end }}

{{/* A hash of the files, so that a changed file replaces the pods. Changed variables do that already; other values must not. */}}
{{- define "mcp-observability.podAnnotations" -}}
{{- $chart := get (.Subcharts | default dict) "mcp-observability" | default . -}}
mcp-observability/settings: {{ print (include "mcp-observability.filterFile" $chart) (include "mcp-observability.collectorFiles" $chart) | sha256sum | trunc 16 | quote }}
{{- end }}

{{/* Content of the ConfigMaps; in the scope of this chart. */}}
{{- define "mcp-observability.filterFile" -}}
filter.json: {{ .Values.sidecar.filter | toJson | quote }}
{{- end }}

{{- define "mcp-observability.collectorFiles" -}}
{{- range $file := list "collector.yaml" "sanitize.yaml" "export-otlp.yaml" }}
{{ $file }}: |
  {{- $.Files.Get (printf "files/%s" $file) | nindent 2 }}
{{- end }}
{{- end }}

{{- define "mcp-observability.labels" -}}
app.kubernetes.io/name: mcp-observability
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mcp-observability
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "mcp-observability.securityContext" -}}
runAsUser: {{ . }}
runAsGroup: {{ . }}
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
