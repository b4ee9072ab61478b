import assert from "node:assert/strict";
import { test } from "node:test";
import { announcer } from "../src/announce.js";
import { createParser } from "../src/parse.js";
import { availability, isAvailable, mcpPort, serverNames } from "../src/server.js";
import { tally, tallyByServer } from "../src/tally.js";
import { emptyWords, goneWords } from "../src/source.js";
import { problems } from "../src/words.js";

const count = (text) => tally(createParser()(text));
const told = (text, { seconds = 60, available = true, start = text } = {}) =>
  problems([{ server: null, now: count(text), start: count(start), available }], seconds).map(({ level, text }) => `${level}: ${text}`);
const tool = (name, status, type, n) =>
  `mcp_tool_calls_total{server_name="s",status="${status}",error_type="${type}",tool_name="${name}"} ${n}\n`;
const request = (method, status, type, n) =>
  `mcp_requests_total{method="${method}",server_name="s",status="${status}",error_type="${type}"} ${n}\n`;

test("failing_tool_is_told_with_its_calls_and_type", () => {
  assert.deepEqual(told(tool("read_station", "ok", "", 9) + tool("read_station", "error", "tool_error", 3)), [
    "fault: 3 of 12 calls of read_station failed in the last minute: tool_error",
  ]);
});

test("several_types_are_counted_one_by_one", () => {
  assert.deepEqual(told(tool("a", "error", "timeout", 1) + tool("a", "error", "rpc_error", 2) + tool("a", "ok", "", 1200)), [
    "fault: 3 of 1,203 calls of a failed in the last minute: rpc_error 2, timeout 1",
  ]);
});

test("errors_of_the_caller_are_notes_below_the_faults", () => {
  assert.deepEqual(told(tool("a", "error", "invalid_request", 5) + tool("b", "error", "reset", 1), { seconds: 14 }), [
    "fault: 1 of 1 call of b failed in the last 14 s: reset",
    "note: 5 of 5 calls of a failed in the last 14 s: invalid_request (the caller's error)",
  ]);
});

test("other_methods_are_told_and_calls_of_tools_not_twice", () => {
  assert.deepEqual(told(request("tools/call", "error", "tool_error", 1) + request("initialize", "error", "timeout", 2)), [
    "fault: 2 of 2 initialize requests failed in the last minute: timeout",
  ]);
});

test("server_that_cannot_be_reached_is_first", () => {
  const [first, second] = told(tool("a", "error", "upstream_unavailable", 90), { available: false });
  assert.equal(first, "fault: The MCP server cannot be reached. The standard error of the sidecar says why.");
  assert.match(second, /90 of 90 calls of a/);
});

test("operations_that_do_not_end_are_told", () => {
  const text = `${request("tools/call", "ok", "", 0)}mcp_requests_in_flight{server_name="s"} 3\n`;
  assert.deepEqual(told(text), ["note: 3 operations are in flight, and none ended in the last minute."]);
});

test("changed_definitions_are_told_and_added_ones_not", () => {
  const change = (kind) => `mcp_list_changes_total{method="tools/list",change="${kind}",server_name="s"} 1\n`;
  assert.deepEqual(told(change("changed") + change("added")), ["note: 1 definition of tools/list changed in the last minute."]);
});

test("successes_and_cancelled_calls_are_not_told", () => {
  assert.deepEqual(told(tool("a", "ok", "", 9) + tool("a", "cancelled", "", 3) + tool("a", "error", "tool_error", 0)), []);
});

test("error_ratio_is_that_of_the_rules", () => {
  const sums = count(request("ping", "error", "timeout", 50) + request("tools/call", "ok", "", 6) +
    request("tools/call", "error", "rate_limited", 2) + request("tools/call", "error", "reset", 2) + request("a", "negotiation", "", 9));
  assert.deepEqual([sums.failed, sums.judged, sums.operations], [2, 10, 69]);
});

test("tally_of_one_server_leaves_the_others_out", () => {
  const text = tool("a", "ok", "", 1) + tool("a", "ok", "", 2).replace('"s"', '"t"');
  const scrape = createParser()(text);
  assert.equal([...tally(scrape).tools.values()].length, 2);
  assert.deepEqual([...tally(scrape, { server: "t" }).tools.values()].map(({ calls }) => calls), [2]);
});

test("tally_without_sizes_has_calls_and_no_durations", () => {
  const scrape = createParser()(tool("a", "ok", "", 1) + 'mcp_tool_duration_microseconds_count{server_name="s",tool_name="a"} 7\n');
  const counts = (options) => [...tally(scrape, options).tools.values()].map(({ calls, duration }) => [calls, duration.count]);
  assert.deepEqual([counts({}), counts({ withSizes: false })], [[[1, 7]], [[1, 0]]]);
});

test("availability_is_the_health_check_of_the_servers_cluster", () => {
  const health = (cluster, value) => `envoy_cluster_membership_healthy{envoy_cluster_name="${cluster}"} ${value}\n`;
  const sidecar = health("sidecar/loopback", 0);
  const available = (text, server = null) => isAvailable(availability(createParser()(text)), server);
  assert.equal(available(request("a", "ok", "", 1).replace('"s"', '"a.b"') + health("a_b", 1) + sidecar, "a.b"), true);
  assert.equal(available(sidecar + health("a", 0)), false);
  assert.equal(available(""), null);
  assert.equal(available(`mcp_upstream_available{server_name="a"} 1\n${health("a", 0)}${sidecar}`, "a"), true);
});

test("clusters_of_another_envoy_are_no_servers", () => {
  const others = 'envoy_cluster_membership_healthy{envoy_cluster_name="database"} 0\n' +
    'envoy_cluster_membership_healthy{cluster_name="w"} 0\nenvoy_cluster_membership_healthy{} 0\n';
  const info = 'mcp_filter_info{filter_version="1"} 1\n';
  const read = (text) => {
    const scrape = createParser()(text);
    return [serverNames(scrape), isAvailable(availability(scrape), null)];
  };
  assert.deepEqual(read(info + others), [[], null]);
  assert.deepEqual(read(others + request("a", "ok", "", 1)), [["s"], null]);
  assert.deepEqual(read(`${others}mcp_upstream_available{server_name="s"} 1\n`), [["s"], true]);
  assert.deepEqual(read(`${others}envoy_cluster_membership_healthy{envoy_cluster_name="sidecar/admin"} 1\n`), [["database"], false]);
});

test("of_several_servers_each_line_names_its_own_and_has_a_key_of_its_own", () => {
  const of = (server, text) => text.replaceAll('"s"', `"${server}"`);
  const text = tool("t", "error", "reset", 1) + tool("t", "ok", "", 2) + request("ping", "error", "timeout", 3) +
    'mcp_stream_opens_total{status="error",server_name="s"} 1\nmcp_list_changes_total{method="tools/list",change="changed",server_name="s"} 1\n' +
    'mcp_unlisted_tool_calls_total{server_name="s"} 1\nmcp_server_requests_total{method="roots/list",server_name="s",status="lost"} 1\n' +
    'mcp_parse_skipped_total{reason="too_large",server_name="s"} 1\nmcp_labels_overflowed_total{label="tool_name",server_name="s"} 1\n';
  const scrape = createParser()(of("v", text) + of("w", text));
  const parts = [...tallyByServer(scrape)].map(([server, sums]) => ({ server, now: sums, start: sums, available: server === "v" }));
  const lines = problems(parts, 60);
  assert.equal(lines.length, 2 * 8 + 1);
  assert.equal(lines[0].text, "The MCP server w cannot be reached.");
  const texts = lines.map(({ text }) => text);
  assert.ok(texts.includes("1 of 3 calls of t at w failed in the last minute: reset"));
  assert.ok(texts.includes("3 of 3 ping requests at v failed in the last minute: timeout"));
  assert.ok(texts.slice(1).every((each) => / at [vw]\b/.test(each)), texts.join("\n"));
  assert.equal(new Set(lines.map(({ key }) => key)).size, lines.length);
});

test("port_and_name_are_known_before_the_first_call", () => {
  const scrape = createParser()('envoy_cluster_membership_healthy{envoy_cluster_name="notes"} 1\n' +
    'envoy_cluster_membership_healthy{envoy_cluster_name="sidecar/admin"} 1\n' +
    'envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="mcp",envoy_listener_address="0.0.0.0_4710"} 0\n');
  assert.equal(mcpPort(scrape), "4710");
  assert.deepEqual(serverNames(scrape), ["notes"]);
});

test("announcer_speaks_of_new_faults_and_not_of_new_numbers", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const said = [];
  const announce = announcer({ set textContent(text) { said.push(text); } });
  const fault = (key, text) => [{ level: "fault", key, text }];
  announce("Server reachable", []);
  for (let n = 1; n < 30; n++) {
    now += 2000;
    announce("Server reachable", fault("tool a", `${n} of 30 calls failed`));
  }
  announce("Sidecar gone", []);
  assert.deepEqual(said, ["Server reachable", "Server reachable. 5 of 30 calls failed", "Sidecar gone"]);
});

test("what_is_gone_is_the_sidecar_the_source_or_the_command", () => {
  const failed = new Error("Failed to fetch");
  const refused = Object.assign(new Error("http://mesh:15090/stats/prometheus: does not answer"), { source: "http://mesh:15090/stats/prometheus" });
  assert.equal(goneWords(failed, null).state, "Sidecar gone");
  assert.match(goneWords(failed, null).text, /the network fails \(Failed to fetch\)/);
  for (const known of [null, refused.source]) {
    assert.equal(goneWords(refused, known).state, "Source gone");
    assert.match(goneWords(refused, known).text, /^http:\/\/mesh:15090\/stats\/prometheus: does not answer\. /);
  }
  assert.equal(goneWords(failed, refused.source).state, "Page gone");
  assert.match(goneWords(failed, refused.source).text, /mcp-sidecar page --metrics http:\/\/mesh:15090\/stats\/prometheus$/);
});

test("answer_that_is_no_page_of_metrics_is_told", () => {
  const error = Object.assign(new Error("the answer is not a page of metrics"), { source: null, isOther: true });
  assert.deepEqual(goneWords(error, null), {
    state: "No metrics", title: "The answer to /metrics is not a page of metrics",
    text: "Another program has the sidecar's port, or a proxy answers in its place. This page asks again every 2 seconds.",
  });
});

test("first_call_of_another_envoy_is_told_without_an_address", () => {
  const scrape = (text) => createParser()(text);
  const source = "http://mesh:15090/stats/prometheus";
  assert.equal(emptyWords(null, scrape("")), null);
  assert.equal(emptyWords(source, scrape('mcp_filter_info{filter_version="1"} 1\n')).title, "Waiting for the first call");
  const other = emptyWords(source, scrape('envoy_cluster_membership_healthy{envoy_cluster_name="a"} 1\n'));
  assert.equal(other.title, "No series of the filter yet");
  assert.ok(other.text.startsWith(`${source} has no series`));
});
