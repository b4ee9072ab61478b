// Metrics of a weather server that does not exist, as a function of time: for pictures, and for tests with many series.

const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 120000, 300000].map((ms) => ms * 1000);
const SIZES = [256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];

/** Calls per minute, median duration in ms, bytes of a result and of the definition, and what fails. */
const TOOLS = [
  { name: "get_forecast", rate: 96, ms: 38, bytes: 1840, definition: 612 },
  { name: "get_radar", rate: 22, ms: 140, bytes: 194_900, definition: 480 },
  { name: "search_stations", rate: 31, ms: 65, bytes: 6100, definition: 745, error: "invalid_request", share: 0.04 },
  { name: "read_station", rate: 18, ms: 52, bytes: 420, definition: 398, error: "tool_error", share: 0.02, incident: 0.55 },
  { name: "analyse_climate", rate: 6, ms: 3400, bytes: 12_300, definition: 1180, error: "timeout", share: 0.03 },
  { name: "order_report", rate: 3, ms: 210, bytes: 99, definition: 530, error: "rpc_error", share: 0.1 },
  { name: "subscribe_alerts", rate: 0, ms: 30, bytes: 100, definition: 455 },
];
const CLIENTS = [["claude-code", 0.52], ["cursor", 0.27], ["weather-bot", 0.21]];
const SERVER = 'server_name="weather"';

/** What was counted after so many seconds; the incident begins at `incident`. */
export function metrics(seconds, { tools = TOOLS, incident = Infinity } = {}) {
  const lines = ['mcp_filter_info{filter_version="0.1.0"} 1'];
  for (const cluster of ["weather", "sidecar/admin"]) lines.push(`envoy_cluster_membership_healthy{envoy_cluster_name="${cluster}"} 1`);
  let [ok, all] = [0, 0];
  const errors = new Map();
  for (const tool of tools) {
    const calls = Math.floor(integral(tool.rate / 60, seconds, tool.name.length));
    const later = seconds > incident ? calls - Math.floor(integral(tool.rate / 60, incident, tool.name.length)) : 0;
    const failed = Math.floor(calls * (tool.share ?? 0) + later * (tool.incident ?? 0));
    ok += calls - failed;
    all += calls;
    errors.set(tool.error, (errors.get(tool.error) ?? 0) + failed);
    lines.push(...toolLines(tool, calls, failed));
  }
  errors.delete(undefined);
  const begun = Math.floor(seconds / 40);
  lines.push(...requests("tools/call", ok, errors), ...requests("tools/list", begun, []), ...requests("initialize", begun, []));
  lines.push(...histogram("mcp_request_duration_microseconds", `method="tools/call",${SERVER},status="ok"`, BOUNDS, 46_000, ok));
  for (const [method, median] of [["tools/list", 9000], ["initialize", 14_000]]) {
    lines.push(...histogram("mcp_request_duration_microseconds", `method="${method}",${SERVER},status="ok"`, BOUNDS, median, begun));
  }
  for (const [client, share] of CLIENTS) {
    lines.push(`mcp_client_requests_total{${SERVER},status="ok",client_name="${client}"} ${Math.floor(ok * share)}`);
    lines.push(`mcp_client_requests_total{${SERVER},status="error",client_name="${client}"} ${Math.floor((all - ok) * share)}`);
    lines.push(`mcp_sessions_total{${SERVER},protocol_version="2025-11-25",transport="streamable_http",client_name="${client}"} ${Math.ceil((seconds / 40) * share)}`);
  }
  const wave = (length, size) => Math.round(size * (1 + Math.sin(seconds / length)));
  lines.push(
    `mcp_sessions_active{${SERVER},transport="streamable_http"} ${14 + wave(90, 2)}`, `mcp_sse_streams_active{${SERVER}} ${6 + wave(70, 1.4)}`,
    `mcp_requests_in_flight{${SERVER}} ${1 + wave(31, 1.5)}`, `mcp_active_connections{${SERVER}} ${9 + wave(55, 2)}`,
    `mcp_stream_opens_total{${SERVER},status="ok"} ${Math.ceil(seconds / 60)}`, `mcp_listed_items{method="tools/list",${SERVER}} ${tools.length}`,
    `mcp_listed_bytes{method="tools/list",${SERVER}} 4523`, `mcp_message_bytes_total{${SERVER},direction="in"} ${all * 412}`,
    `mcp_message_bytes_total{${SERVER},direction="out"} ${all * 24_180}`,
  );
  return lines.join("\n") + "\n";
}

/** As many tools as make about `series` series. */
export function manyTools(series) {
  return Array.from({ length: Math.ceil(series / 36) }, (_, index) => ({
    name: `tool_${String(index).padStart(4, "0")}`, rate: 60, ms: 5 + index, bytes: 300 + index * 7, definition: 400 + index,
    error: "tool_error", share: 0.01,
  }));
}

/** Calls within a time, at a rate that swings around its mean. */
function integral(rate, seconds, phase) {
  const wave = (length) => (length / 6) * (Math.cos(phase) - Math.cos(phase + seconds / length));
  return rate * (seconds + wave(80) + wave(23));
}

function toolLines({ name, ms, bytes, definition, error }, calls, failed) {
  const labels = `${SERVER},tool_name="${name}"`;
  const lines = [
    `mcp_tool_calls_total{${SERVER},status="ok",error_type="",tool_name="${name}"} ${calls - failed}`,
    `mcp_tool_definition_bytes{${labels}} ${definition}`,
    `mcp_tool_request_bytes_total{${labels}} ${calls * 210}`,
    ...histogram("mcp_tool_duration_microseconds", labels, BOUNDS, ms * 1000, calls),
    ...histogram("mcp_tool_result_bytes", labels, SIZES, bytes, calls),
  ];
  if (error) lines.push(`mcp_tool_calls_total{${SERVER},status="error",error_type="${error}",tool_name="${name}"} ${failed}`);
  return lines;
}

function requests(method, ok, errors) {
  const line = (status, type, n) => `mcp_requests_total{method="${method}",${SERVER},status="${status}",error_type="${type}"} ${n}`;
  return [line("ok", "", ok), ...[...errors].map(([type, n]) => line("error", type, n))];
}

/** Observations that spread around a median, by the logistic curve of their logarithm. */
function histogram(family, labels, bounds, median, count) {
  const below = (bound) => Math.round(count / (1 + (median / bound) ** 2.2));
  return [
    ...bounds.map((bound) => `${family}_bucket{${labels},le="${bound}"} ${below(bound)}`), `${family}_bucket{${labels},le="+Inf"} ${count}`,
    `${family}_sum{${labels}} ${count * median * 1.15}`, `${family}_count{${labels}} ${count}`,
  ];
}
