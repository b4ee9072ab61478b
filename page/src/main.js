// The page: asks for /metrics, and shows each scrape.

import { announcer } from "./announce.js";
import { Chart } from "./charts.js";
import * as format from "./format.js";
import { Increases, Sliding } from "./history.js";
import { createParser } from "./parse.js";
import { poll } from "./poll.js";
import { availability, isAvailable, mcpPort, serverNames } from "./server.js";
import { emptyWords, goneWords } from "./source.js";
import { setText } from "./table.js";
import { tally, tallyByServer } from "./tally.js";
import { element, showFacts, showFigures, showProblems, showTables } from "./view.js";
import { problems } from "./words.js";

/** Windows in seconds: of the words and figures, and of a point of a chart. */
const MINUTE = 60;
const POINT = 10;
/** Steps of an axis of whole numbers. */
const WHOLE = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).sort((a, b) => a - b);

const parse = createParser();
const announce = announcer(element("announcement"));
const increases = new Increases();
const minute = new Sliding(MINUTE);
const point = new Sliding(POINT);
let charts = null;
let latest = null;
let server = null;

function onText(text, time, source) {
  performance.mark("update-begin");
  const scrape = parse(text);
  const frame = increases.next(scrape, time);
  if (frame) for (const window of [minute, point]) window.add(frame);
  latest = { scrape, time, source, names: serverNames(scrape), clock: Date.now() };
  showServers(latest.names);
  show();
  addPoint();
  performance.measure("update", "update-begin");
  performance.clearMarks("update-begin");
}

function show() {
  const { scrape, source, names, clock } = latest;
  const start = tally(scrape, { server });
  latest.start = start;
  const isOfMinute = element("window").querySelector("input:checked").value === "minute";
  const now = tally(scrape, { increases: minute.sums, server, withSizes: isOfMinute });
  const isOfSeveral = server === null && names.length > 1;
  const available = availability(scrape);
  const whole = { server: null, now, start, available: isAvailable(available, server) };
  element("gone").hidden = true;
  setText(element("updated"), `, updated ${new Date(clock).toLocaleTimeString()}`);
  setText(element("version"), version(scrape) + (source ? `, metrics of ${source}` : ""));
  const state = showState(whole.available, source);
  document.documentElement.dataset.state = start.operations > 0 ? "live" : "empty";
  if (start.operations === 0) showEmpty(scrape, source);
  const lines = problems(isOfSeveral ? partsByServer(scrape, available) : [whole], minute.seconds);
  showProblems(lines, calm(now));
  element("now").hidden = start.operations === 0 && lines.length === 0;
  showFigures(start, now, minute.seconds);
  showTables(start, isOfMinute ? now : start, isOfSeveral);
  showFacts(start);
  announce(state, lines);
  const faults = lines.filter(({ level }) => level === "fault").length;
  document.title = `${faults ? `(${faults}) ` : ""}${element("name").textContent} · MCP sidecar`;
}

/** What `problems` tells of each server. */
function partsByServer(scrape, available) {
  const now = tallyByServer(scrape, minute.sums);
  return [...tallyByServer(scrape)].map(([name, start]) => ({
    server: name, now: now.get(name), start, available: available.get(name) ?? null,
  }));
}

function calm(now) {
  const when = format.lastSeconds(minute.seconds);
  if (minute.seconds === 0) return "Reading the first numbers.";
  if (now.operations === 0) return `No operation ended ${when}.`;
  return `Nothing failed ${when}: ${format.count(now.operations)} ${now.operations === 1 ? "operation" : "operations"}.`;
}

function showState(available, source) {
  const [level, text] = available === false ? ["fault", "Server cannot be reached"]
    : available ? ["good", "Server reachable"] : ["none", source ? "Envoy answers" : "Sidecar answers"];
  return setState(level, text);
}

function setState(level, text) {
  element("state").dataset.level = level;
  setText(element("state-text"), text);
  return text;
}

function version(scrape) {
  for (const { name, labels } of scrape.keys()) {
    if (name === "mcp_filter_info") return `Filter ${labels.filter_version}`;
  }
  return "This Envoy has no series of the filter";
}

/** The choice of a server, where there are several. */
function showServers(names) {
  // A scrape without any server is not that of an Envoy that lost one.
  if (server !== null && names.length > 0 && !names.includes(server)) choose(null);
  const select = element("server");
  element("servers").hidden = names.length < 2;
  const wanted = ["", ...names];
  if (select.options.length !== wanted.length || wanted.some((each, index) => select.options[index].value !== each)) {
    select.replaceChildren(...wanted.map((each) => new Option(each || "All", each, false, each === (server ?? ""))));
  }
  setText(element("name"), server ?? (names.length > 1 ? `${names.length} servers` : (names[0] ?? "MCP server")));
}

function choose(name) {
  server = name;
  // The charts are those of one choice, so they begin again.
  for (const chart of charts ?? []) chart.clear();
}

function showEmpty(scrape, source) {
  const words = emptyWords(source, scrape);
  setText(element("empty-title"), words?.title ?? "Waiting for the first call");
  setText(element("empty-text"), words?.text ?? "");
  element("first-call").hidden = words !== null;
  if (words === null) showFirstCall(scrape);
}

function showFirstCall(scrape) {
  const url = `http://${location.hostname}:${mcpPort(scrape) ?? 4000}/`;
  setText(element("endpoint"), url);
  setText(element("command"), `curl -s ${url} \\
  -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'`);
}

function makeCharts() {
  const make = (id, lines, format, minimum, steps) => new Chart(element(id), { lines, format, minimum, steps });
  return [
    make("chart-rate", [{ label: "ended", color: "--accent", isFilled: true }, { label: "failed", color: "--fault" }], format.rate, 0.1),
    make("chart-ratio", [{ label: "error ratio", color: "--fault", isFilled: true }], format.percent, 0.01),
    make("chart-duration", [{ label: "p50", color: "--accent" }, { label: "p95", color: "--second" }], format.duration, 1000),
    make("chart-open", [{ label: "in flight", color: "--accent", isFilled: true }, { label: "streams", color: "--second" }], format.count, 1, WHOLE),
  ];
}

function addPoint() {
  if (document.documentElement.dataset.state !== "live") return;
  // Hidden elements have no size, so the charts are made when they are first seen.
  charts ??= makeCharts();
  const { scrape, time, start } = latest;
  const operations = new Map([...scrape].filter(([{ name }]) => name.startsWith("mcp_request")));
  const sums = tally(operations, { increases: point.sums, server });
  const seconds = point.seconds;
  const values = [
    seconds ? [sums.operations / seconds, sums.failed / seconds] : null,
    sums.judged ? [sums.failed / sums.judged] : null,
    [sums.duration.quantile(0.5), sums.duration.quantile(0.95)],
    [start.inFlight, start.streams],
  ];
  charts.forEach((chart, index) => {
    chart.add(time, values[index]);
    chart.draw();
  });
}

function onGone(error, time) {
  document.documentElement.dataset.state = latest ? "gone" : "lost";
  element("gone").hidden = false;
  const since = latest ? `The last answer came ${format.count(time - latest.time)} s ago; the numbers below are of then. ` : "";
  const { state, title, text } = goneWords(error, latest?.source ?? null);
  setText(element("gone-title"), title);
  setText(element("gone-text"), since + text);
  announce(setState("fault", state), []);
  document.title = "(gone) MCP sidecar";
  for (const chart of charts ?? []) {
    chart.add(time, null);
    chart.draw();
  }
}

element("server").addEventListener("change", (event) => {
  choose(event.target.value || null);
  showServers(latest.names);
  show();
});
element("window").addEventListener("change", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts?.forEach((chart) => chart.draw()));
poll("metrics", { onText, onGone });
