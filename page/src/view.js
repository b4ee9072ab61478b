// Writes what `tally` counted into the document. It holds no numbers of its own.

import * as format from "./format.js";
import { setText, Table } from "./table.js";

const PROBLEMS = 6;

export const element = (id) => document.getElementById(id);

const name = { title: "Name", isText: true, value: (row) => row.name, text: (row) => row.name };
const calls = { title: "Calls", value: (row) => row.calls, text: (row) => format.count(row.calls) };
const failed = {
  title: "Failed", value: (row) => row.errors, text: (row) => format.count(row.errors), isFault: (row) => row.faults > 0,
};
const types = { title: "Error types", isText: true, value: (row) => typesOf(row) || null, text: (row) => typesOf(row) || "" };
const p50 = quantile("p50", 0.5);
const p95 = quantile("p95", 0.95);

function quantile(title, share) {
  const value = (row) => row.duration.quantile(share);
  return { title, value, text: (row) => format.duration(value(row)), hint: "Computed from histogram buckets" };
}

function typesOf({ types }) {
  const sorted = [...types].sort((a, b) => b[1] - a[1]);
  return sorted.map(([type, n]) => (sorted.length > 1 ? `${type} ${format.count(n)}` : type)).join(", ");
}

/** Shown where there are several. */
const ofServer = { title: "Server", isText: true, isHidden: true, value: (row) => row.server ?? null, text: (row) => row.server ?? "" };

const tools = new Table(element("tools-table"), element("tools-more"), {
  key: (row) => `${row.server}\n${row.name}`,
  sort: { column: 2, isDescending: true },
  columns: [
    { ...name, title: "Tool" }, ofServer, calls, failed, types, p50, p95,
    { title: "Mean result", value: (row) => row.result.mean, text: (row) => format.bytes(row.result.mean) },
    {
      title: "Definition", value: (row) => row.definition, text: (row) => format.bytes(row.definition),
      hint: "Size of the tool's definition, which every conversation carries",
    },
  ],
});
const clients = new Table(element("clients-table"), element("clients-more"), {
  key: (row) => row.name,
  sort: { column: 1, isDescending: true },
  columns: [
    { ...name, title: "Client" }, { ...calls, title: "Operations" },
    // The family does not say whose fault an error is.
    { ...failed, isFault: undefined },
    { title: "Sessions", value: (row) => row.sessions, text: (row) => format.count(row.sessions) },
  ],
});
const methods = new Table(element("methods-table"), element("methods-more"), {
  key: (row) => row.name,
  sort: { column: 1, isDescending: true },
  columns: [{ ...name, title: "Method" }, { ...calls, title: "Operations" }, failed, p50, p95],
});

/** `start` is the tally since the start, `chosen` the one that the tools' table shows; `isOfSeveral`: of more than one server. */
export function showTables(start, chosen, isOfSeveral) {
  ofServer.isHidden = !isOfSeveral;
  // Sizes of definitions are gauges, which a window does not have.
  const rows = [...chosen.tools].map(([key, row]) => ({ ...row, definition: start.tools.get(key)?.definition ?? null }));
  tools.update(rows);
  element("no-tools").hidden = rows.length > 0;
  clients.update([...start.clients.values()].filter((client) => client.calls > 0));
  methods.update([...start.methods.values()].filter((method) => method.calls > 0));
}

export function showFigures(start, now, seconds) {
  const figures = {
    rate: seconds ? format.rate(now.operations / seconds) : format.NONE,
    operations: `${format.count(start.operations)} since the start`,
    ratio: format.percent(now.judged ? now.failed / now.judged : null),
    failed: start.judged ? `${format.percent(start.failed / start.judged)} since the start` : "",
    p95: format.duration(now.duration.quantile(0.95)),
    p50: `p50 ${format.duration(now.duration.quantile(0.5))}`,
    "in-flight": format.count(start.inFlight),
    open: `${plural(total(start.sessionsActive), "session")}, ${plural(start.streams ?? 0, "open stream")}`,
  };
  for (const [id, text] of Object.entries(figures)) setText(element(id), text);
  element("ratio").classList.toggle("fault", now.failed > 0);
}

export function showProblems(lines, calm) {
  const shown = lines.slice(0, PROBLEMS).map(({ level, text }) => [level, text]);
  if (lines.length > PROBLEMS) shown.push(["rest", `and ${lines.length - PROBLEMS} more`]);
  const list = element("problems");
  while (list.children.length > shown.length) list.lastChild.remove();
  shown.forEach(([level, text], index) => {
    const item = list.children[index] ?? list.appendChild(document.createElement("li"));
    item.className = level;
    setText(item, text);
  });
  list.hidden = !lines.length;
  setText(element("calm"), lines.length ? "" : calm);
}

export function showFacts(start) {
  const facts = {
    "Active sessions": byName(start.sessionsActive),
    "Sessions started": format.count(total(start.sessionsStarted)),
    "Protocol versions": byName(start.sessionsStarted),
    "Open event streams": format.count(start.streams),
    "Open exchanges": format.count(start.connections),
    "Requests for a stream": byName(start.streamOpens),
    "Requests of the server": byName(new Map([...start.serverRequests].map(([method, sums]) => [method, sums.calls]))),
    "Bytes in, out": `${format.bytes(start.bytes.get("in") ?? 0)}, ${format.bytes(start.bytes.get("out") ?? 0)}`,
    "Latest lists": lists(start.lists),
    "Responses without request": format.count(start.unmatched),
  };
  const terms = element("facts");
  Object.entries(facts).forEach(([term, text], index) => {
    const pair = terms.children[index] ?? terms.appendChild(fact());
    setText(pair.children[0], term);
    setText(pair.children[1], text);
  });
}

function fact() {
  const pair = document.createElement("div");
  pair.append(document.createElement("dt"), document.createElement("dd"));
  return pair;
}

function byName(map) {
  const named = [...map].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  return named.length ? named.map(([key, n]) => `${key} ${format.count(n)}`).join(", ") : "0";
}

function lists(map) {
  const named = [...map].filter(([, { items }]) => items > 0);
  return named.map(([method, { items, bytes }]) => `${method} ${format.count(items)} (${format.bytes(bytes)})`).join(", ") || format.NONE;
}

function total(map) {
  return [...map.values()].reduce((sum, n) => sum + n, 0);
}

function plural(n, word) {
  return `${format.count(n)} ${word}${n === 1 ? "" : "s"}`;
}
