// Adds series up to what the page shows: tools, methods, clients, sessions. The values are those of the scrape (since the start)
// or their increases in a window (the last minute), so both have the same meaning.
//
// Names of families, labels and values: docs/metrics.md.

import { Histogram } from "./quantiles.js";

/** The caller's errors. The error ratio has them in its denominator only. */
export const CALLERS_ERRORS = new Set(["invalid_request", "unauthorized", "rate_limited"]);

const HISTOGRAM = /^(mcp_(?:tool_duration_microseconds|request_duration_microseconds|tool_result_bytes))_(bucket|count|sum)$/;

/** `increases` replaces the values of the scrape; a series without increase counts as 0, as the buckets of a histogram need.
 *  `server` restricts the result to one server; null is all. Without `withSizes` tools have no durations and sizes, which most
 *  series are of. */
export function tally(scrape, { increases = null, server = null, withSizes = true } = {}) {
  const sums = new Tally();
  const isOther = ({ server_name: name }) => server !== null && name !== undefined && name !== server;
  addAll(scrape, { increases, withSizes }, (labels) => (isOther(labels) ? null : sums));
  return sums;
}

/** The same without sizes, by the server's name; null is the key of what has none. */
export function tallyByServer(scrape, increases = null) {
  const servers = new Map();
  const sums = (labels) => entry(servers, labels.server_name || null, () => new Tally());
  addAll(scrape, { increases, withSizes: false }, sums);
  return servers;
}

/** Adds each series to the sums that `sumsOf` says for its labels. */
function addAll(scrape, { increases, withSizes }, sumsOf) {
  for (const [series, now] of scrape) {
    const value = increases ? (increases.get(series) ?? 0) : now;
    const { name, labels } = series;
    if (!withSizes && name.startsWith("mcp_tool_") && name !== "mcp_tool_calls_total") continue;
    const sums = sumsOf(labels);
    if (sums === null) continue;
    // What depends on names alone is computed once for each series.
    if (series.histogram === undefined) {
      series.histogram = HISTOGRAM.exec(name);
      series.tool = `${labels.server_name}\n${labels.tool_name}`;
    }
    if (series.histogram) sums.addHistogram(series, value);
    else ADD[name]?.(sums, labels, value, series);
  }
}

class Tally {
  tools = new Map();
  methods = new Map();
  clients = new Map();
  /** Durations of operations, without failed ones and pings: refusals are fast and would hide slow operations. */
  duration = new Histogram();
  operations = 0;
  /** The error ratio's numerator and denominator. */
  failed = 0;
  judged = 0;
  sessionsStarted = new Map();
  sessionsActive = new Map();
  streams = null;
  inFlight = null;
  connections = null;
  streamOpens = new Map();
  serverRequests = new Map();
  lists = new Map();
  changes = new Map();
  skipped = new Map();
  overflowed = new Map();
  bytes = new Map();
  unlisted = 0;
  unmatched = 0;

  tool({ tool, labels }) {
    return entry(this.tools, tool, () => ({
      name: labels.tool_name,
      server: labels.server_name,
      ...outcomes(),
      duration: new Histogram(),
      result: new Histogram(),
      definition: null,
    }));
  }

  method(labels) {
    return entry(this.methods, labels.method, () => ({ name: labels.method, ...outcomes(), duration: new Histogram() }));
  }

  addHistogram(series, value) {
    const { labels, histogram: [, family, part] } = series;
    if (family === "mcp_tool_duration_microseconds") this.tool(series).duration.add(part, labels, value);
    else if (family === "mcp_tool_result_bytes") this.tool(series).result.add(part, labels, value);
    else if (labels.status === "ok" || labels.status === "cancelled") {
      this.method(labels).duration.add(part, labels, value);
      if (labels.method !== "ping") this.duration.add(part, labels, value);
    }
  }
}

const ADD = {
  mcp_requests_total(sums, labels, value) {
    addOutcome(sums.method(labels), labels, value);
    sums.operations += value;
    if (labels.method === "ping") return;
    const isError = labels.status === "error";
    if (isError || labels.status === "ok") sums.judged += value;
    if (isError && !CALLERS_ERRORS.has(labels.error_type)) sums.failed += value;
  },
  mcp_tool_calls_total: (sums, labels, value, series) => addOutcome(sums.tool(series), labels, value),
  mcp_tool_definition_bytes(sums, _, value, series) {
    // 0: the latest list lacks the tool.
    if (value > 0) sums.tool(series).definition = value;
  },
  mcp_client_requests_total(sums, labels, value) {
    const client = entry(sums.clients, labels.client_name, () => ({ name: labels.client_name, ...outcomes(), sessions: 0 }));
    addOutcome(client, labels, value);
  },
  mcp_sessions_total(sums, labels, value) {
    add(sums.sessionsStarted, labels.protocol_version, value);
    if (labels.client_name === undefined) return;
    const client = entry(sums.clients, labels.client_name, () => ({ name: labels.client_name, ...outcomes(), sessions: 0 }));
    client.sessions += value;
  },
  mcp_sessions_active: (sums, labels, value) => add(sums.sessionsActive, labels.transport, value),
  mcp_sse_streams_active: (sums, _, value) => (sums.streams += value),
  mcp_requests_in_flight: (sums, _, value) => (sums.inFlight += value),
  mcp_active_connections: (sums, _, value) => (sums.connections += value),
  mcp_stream_opens_total: (sums, labels, value) => add(sums.streamOpens, labels.status, value),
  mcp_server_requests_total(sums, labels, value) {
    addOutcome(entry(sums.serverRequests, labels.method, outcomes), labels, value);
  },
  mcp_listed_items: (sums, labels, value) => (entry(sums.lists, labels.method, list).items += value),
  mcp_listed_bytes: (sums, labels, value) => (entry(sums.lists, labels.method, list).bytes += value),
  mcp_list_changes_total: (sums, labels, value) => add(sums.changes, `${labels.change} ${labels.method}`, value),
  mcp_parse_skipped_total: (sums, labels, value) => add(sums.skipped, labels.reason, value),
  mcp_labels_overflowed_total: (sums, labels, value) => add(sums.overflowed, labels.label, value),
  mcp_message_bytes_total: (sums, labels, value) => add(sums.bytes, labels.direction, value),
  mcp_unlisted_tool_calls_total: (sums, _, value) => (sums.unlisted += value),
  mcp_unmatched_responses_total: (sums, _, value) => (sums.unmatched += value),
};

function list() {
  return { items: 0, bytes: 0 };
}

function outcomes() {
  return { calls: 0, errors: 0, faults: 0, types: new Map(), statuses: new Map() };
}

function addOutcome(sums, labels, value) {
  sums.calls += value;
  if (value > 0) add(sums.statuses, labels.status, value);
  if (labels.status !== "error") return;
  sums.errors += value;
  if (!CALLERS_ERRORS.has(labels.error_type)) sums.faults += value;
  if (value > 0 && labels.error_type) add(sums.types, labels.error_type, value);
}

function add(map, key, value) {
  map.set(key, (map.get(key) ?? 0) + value);
}

function entry(map, key, make) {
  let found = map.get(key);
  if (!found) map.set(key, (found = make()));
  return found;
}
