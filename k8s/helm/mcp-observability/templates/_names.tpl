{{/* These work in this chart and, where it is a dependency, in the chart above it, whose values hold this one's. */}}

{{- define "mcp-observability.values" -}}
{{- $values := .Values }}
{{- if ne .Chart.Name "mcp-observability" }}
{{- $values = required "mcp-observability: values of a dependency of this name are missing; it cannot have an alias" (index .Values "mcp-observability") }}
{{- end }}
{{- toYaml $values }}
{{- end }}

{{- define "mcp-observability.name" -}}
{{/* Helm's longest, 53 bytes, leaves room for what follows it. A Service has no dots. */}}
{{- .Release.Name | replace "." "-" }}
{{- end }}

{{/* What finds this release's sidecars. A pod that has the containers must have these labels. */}}
{{- define "mcp-observability.podLabels" -}}
app.kubernetes.io/part-of: mcp-observability
mcp-observability/release: {{ include "mcp-observability.name" . }}
{{- end }}

{{/* A changed file makes new pods; a changed variable does so by itself, and what is no part of the pod must not. */}}
{{- define "mcp-observability.podAnnotations" -}}
{{- $chart := get (.Subcharts | default dict) "mcp-observability" | default . -}}
mcp-observability/settings: {{ print (include "mcp-observability.filterFile" $chart) (include "mcp-observability.collectorFiles" $chart) | sha256sum | trunc 16 | quote }}
{{- end }}

{{/* What the ConfigMaps hold; in the scope of this chart. */}}
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
