{{/* These work in this chart and, where it is a dependency, in the chart above it, whose values hold this one's. */}}

{{- define "mcp-observability.values" -}}
{{ index .Values "mcp-observability" | default .Values | toYaml }}
{{- end }}

{{- define "mcp-observability.name" -}}
{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* What finds this release's sidecars. A pod that has the containers must have these labels. */}}
{{- define "mcp-observability.podLabels" -}}
app.kubernetes.io/part-of: mcp-observability
mcp-observability/release: {{ include "mcp-observability.name" . }}
{{- end }}

{{/* A changed setting makes new pods. */}}
{{- define "mcp-observability.podAnnotations" -}}
mcp-observability/settings: {{ include "mcp-observability.values" . | sha256sum | trunc 16 | quote }}
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
