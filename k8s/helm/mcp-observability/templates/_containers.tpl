{{/* Entries of a pod's `initContainers`: native sidecars, which start before the pod's containers and end after them. */}}
{{- define "mcp-observability.initContainers" -}}
{{- $values := include "mcp-observability.values" . | fromYaml }}
{{- if $values.proxy.enabled }}
{{- fail "proxy.enabled: must be false if the sidecar is in your own pods; otherwise the proxy's Service would select these pods too" }}
{{- end }}
{{- if $values.collector.enabled }}
- {{ include "mcp-observability.collector" . | nindent 2 | trim }}
{{- end }}
- {{ include "mcp-observability.sidecar" . | nindent 2 | trim }}
  restartPolicy: Always
  lifecycle:
    # The server must run during the drain: its own preStop sleeps for 31 s.
    preStop:
      exec: {command: [/usr/local/bin/mcp-sidecar, drain]}
{{- end }}

{{/* The sidecar's container, without the fields that only a native sidecar has. */}}
{{- define "mcp-observability.sidecar" -}}
{{- $values := include "mcp-observability.values" . | fromYaml }}
{{- $url := required "upstream.url: the URL of the MCP server is missing; for example http://orders-mcp:8080/mcp" $values.upstream.url }}
{{- $environment := dict
      "MCP_UPSTREAM_URL" $url
      "MCP_UPSTREAM_NAME" $values.upstream.name
      "MCP_UPSTREAM_TIMEOUT_MS" ($values.upstream.timeoutMs | int64 | toString)
      "MCP_UPSTREAM_IDLE_MS" ($values.upstream.idleMs | int64 | toString)
      "MCP_UPSTREAM_HOST_HEADER" $values.upstream.hostHeader
      "MCP_FILTER_CONFIG" "/etc/mcp-sidecar/filter.json" }}
{{- if $values.upstream.caConfigMap.name }}
{{- if not (hasPrefix "https://" $url) }}
{{- fail (printf "upstream.caConfigMap.name: %s needs an https:// URL, and upstream.url is %s" $values.upstream.caConfigMap.name $url) }}
{{- end }}
{{- $_ := set $environment "MCP_UPSTREAM_CA_FILE" (printf "/etc/mcp-upstream-ca/%s" $values.upstream.caConfigMap.key) }}
{{- end }}
{{- with $values.upstream.clientSecret }}
{{- if .name }}
{{- if not (hasPrefix "https://" $url) }}
{{- fail (printf "upstream.clientSecret.name: %s needs an https:// URL, and upstream.url is %s" .name $url) }}
{{- end }}
{{- $_ := set $environment "MCP_UPSTREAM_CERT_FILE" (printf "/etc/mcp-upstream-client/%s" .certKey) }}
{{- $_ := set $environment "MCP_UPSTREAM_KEY_FILE" (printf "/etc/mcp-upstream-client/%s" .keyKey) }}
{{- end }}
{{- end }}
{{- with $values.sidecar }}
{{- if .identity.header }}
{{- if and (eq .identity.form "hash") (not .hashKeySecret.name) (not (hasKey .environmentFromSecrets "MCP_HASH_KEY")) }}
{{- fail "sidecar.identity.form: hash needs a key; set sidecar.hashKeySecret.name, or sidecar.identity.form=plain" }}
{{- end }}
{{- $_ := set $environment "MCP_IDENTITY_HEADER" .identity.header }}
{{- $_ := set $environment "MCP_IDENTITY_FORM" .identity.form }}
{{- end }}
{{- if .auditLog }}
{{- $_ := set $environment "MCP_AUDIT_LOG" .auditLog }}
{{- end }}
{{- if or (ne .traces.sampler "parentbased_always_on") (ne (.traces.ratio | float64) 1.0) }}
{{- $_ := set $environment "OTEL_TRACES_SAMPLER" .traces.sampler }}
{{- $_ := set $environment "OTEL_TRACES_SAMPLER_ARG" (.traces.ratio | toString) }}
{{- end }}
{{- end }}
{{- if and $values.collector.otlpEndpoint (not $values.collector.enabled) }}
{{- fail "collector.otlpEndpoint: needs collector.enabled; without the collector set OTEL_EXPORTER_OTLP_ENDPOINT in sidecar.environment" }}
{{- end }}
{{- if $values.collector.otlpEndpoint }}
{{- $_ := set $environment "OTEL_EXPORTER_OTLP_ENDPOINT" "http://127.0.0.1:4317" }}
{{- $_ := set $environment "OTEL_ENV" $values.collector.environment }}
{{- end -}}
name: sidecar
image: {{ printf "%s:%s" $values.sidecar.image.repository $values.sidecar.image.tag | quote }}
args: [run]
env:
{{- $environment = merge (deepCopy $values.sidecar.environment) $environment }}
{{- range $name, $value := $environment }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- $secrets := deepCopy $values.sidecar.environmentFromSecrets }}
{{- if $values.sidecar.hashKeySecret.name }}
{{- if hasKey $secrets "MCP_HASH_KEY" }}
{{- fail "sidecar.environmentFromSecrets.MCP_HASH_KEY: sidecar.hashKeySecret sets this variable already" }}
{{- end }}
{{- $_ := set $secrets "MCP_HASH_KEY" $values.sidecar.hashKeySecret }}
{{- end }}
{{- range $name, $from := $secrets }}
{{- if hasKey $environment $name }}
{{- fail (printf "sidecar.environmentFromSecrets.%s: another setting sets this variable already" $name) }}
{{- end }}
  - name: {{ $name }}
    valueFrom: {secretKeyRef: {name: {{ $from.name | quote }}, key: {{ $from.key | quote }}}}
{{- end }}
ports:
  - {name: mcp, containerPort: 4000}
  - {name: probe, containerPort: 9902}
startupProbe:
  httpGet: {path: /ready, port: probe}
  periodSeconds: 1
  failureThreshold: 60
# Ready while the sidecar can connect to the server.
readinessProbe:
  httpGet: {path: /health, port: probe}
  periodSeconds: 5
  timeoutSeconds: 3
# Checks only Envoy: a failure of the server must not restart the sidecar.
livenessProbe:
  httpGet: {path: /ready, port: probe}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
resources: {{- toYaml $values.sidecar.resources | nindent 2 }}
securityContext: {{- include "mcp-observability.securityContext" 65532 | nindent 2 }}
volumeMounts:
  - {name: sidecar-config, mountPath: /etc/mcp-sidecar, readOnly: true}
  - {name: sidecar-tmp, mountPath: /tmp}
  {{- if $values.upstream.caConfigMap.name }}
  - {name: upstream-ca, mountPath: /etc/mcp-upstream-ca, readOnly: true}
  {{- end }}
  {{- if $values.upstream.clientSecret.name }}
  - {name: upstream-client, mountPath: /etc/mcp-upstream-client, readOnly: true}
  {{- end }}
{{- end }}

{{- define "mcp-observability.collector" -}}
{{- $values := include "mcp-observability.values" . | fromYaml -}}
{{- $limit := $values.collector.resources.limits.memory -}}
{{- $mebibytes := mul (trimSuffix "Mi" $limit | trimSuffix "Gi" | int64) (ternary 1024 1 (hasSuffix "Gi" $limit)) -}}
{{- if ge ($values.collector.memoryMiB | int64) $mebibytes }}
{{- fail (printf "collector.memoryMiB: %v must be less than collector.resources.limits.memory, which is %s" $values.collector.memoryMiB $limit) }}
{{- end -}}
name: collector
restartPolicy: Always
image: {{ printf "%s:%s" $values.collector.image.repository $values.collector.image.tag | quote }}
args:
  - --config=/etc/collector/collector.yaml
  - --config=/etc/collector/sanitize.yaml
  {{- if $values.collector.otlpEndpoint }}
  - --config=/etc/collector/export-otlp.yaml
  {{- end }}
env:
  - name: POD_IP
    valueFrom: {fieldRef: {fieldPath: status.podIP}}
  # The pod's address becomes the label `instance`; with loopback all pods would have the same series.
  - {name: MCP_SIDECAR_TARGETS, value: '["$(POD_IP):9902"]'}
  - {name: OTEL_METRIC_EXPORT_INTERVAL, value: {{ $values.collector.scrapeIntervalMs | int64 | quote }}}
  - {name: OTEL_ENV, value: {{ $values.collector.environment | quote }}}
  - {name: COLLECTOR_OTLP_HOST, value: 127.0.0.1}
  - {name: COLLECTOR_METRICS_HOST, value: 0.0.0.0}
  - {name: COLLECTOR_HEALTH_HOST, value: 0.0.0.0}
  - {name: COLLECTOR_MEMORY_MIB, value: {{ $values.collector.memoryMiB | int64 | quote }}}
  - {name: GOMEMLIMIT, value: {{ printf "%dMiB" (div (mul ($values.collector.memoryMiB | int64) 4) 5) }}}
  {{- if $values.collector.otlpEndpoint }}
  - {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $values.collector.otlpEndpoint | quote }}}
  - {name: COLLECTOR_STATE, value: /var/lib/collector}
  {{- end }}
ports:
  - {name: metrics, containerPort: 8889}
  - {name: own-metrics, containerPort: 8888}
  - {name: health, containerPort: 13133}
startupProbe:
  httpGet: {path: /, port: health}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /, port: health}
  periodSeconds: 10
  timeoutSeconds: 3
resources: {{- toYaml $values.collector.resources | nindent 2 }}
securityContext: {{- include "mcp-observability.securityContext" 10001 | nindent 2 }}
volumeMounts:
  - {name: collector-config, mountPath: /etc/collector, readOnly: true}
  {{- if $values.collector.otlpEndpoint }}
  - {name: collector-state, mountPath: /var/lib/collector}
  {{- end }}
{{- end }}

{{/* Entries of a pod's `volumes`. */}}
{{- define "mcp-observability.volumes" -}}
{{- $values := include "mcp-observability.values" . | fromYaml -}}
- name: sidecar-config
  configMap: {name: {{ include "mcp-observability.name" . }}-sidecar}
# Holds Envoy's configuration until Envoy has read it.
- name: sidecar-tmp
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- with $values.upstream.caConfigMap }}
{{- if .name }}
- name: upstream-ca
  configMap: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ .key | quote }}}]}
{{- end }}
{{- end }}
{{- with $values.upstream.clientSecret }}
{{- if .name }}
- name: upstream-client
  secret:
    secretName: {{ .name | quote }}
    items: [{key: {{ .certKey | quote }}, path: {{ .certKey | quote }}}, {key: {{ .keyKey | quote }}, path: {{ .keyKey | quote }}}]
{{- end }}
{{- end }}
{{- if $values.collector.enabled }}
- name: collector-config
  configMap: {name: {{ include "mcp-observability.name" . }}-collector}
{{- if $values.collector.otlpEndpoint }}
# Data that the backend has not accepted yet. It is deleted with the pod.
- name: collector-state
  emptyDir: {sizeLimit: 1Gi}
{{- end }}
{{- end }}
{{- end }}
