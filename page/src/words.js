// What is wrong now, in words. `problems` has one line for each thing, the worst first.
//
// A line is {level, key, text}: `fault` is the server's or the sidecar's, `note` is the caller's or worth a look. `key` names the
// thing without its numbers, so that a screen reader is told of new things only.

import { count, lastSeconds } from "./format.js";
import { CALLERS_ERRORS } from "./tally.js";

const LEVELS = ["fault", "note"];

/** `now` and `start` are tallies of the last minute and since the start; `seconds` is how long the minute really is. */
export function problems({ now, start, available, seconds }) {
  const when = lastSeconds(seconds);
  const lines = [
    ...availability(available),
    ...toolFailures(now, when),
    ...methodFailures(now, when),
    ...stuck(now, start, when),
    ...lists(now, when),
    ...streams(now, when),
    ...reading(now, start, when),
  ];
  const order = (line) => LEVELS.indexOf(line.level);
  return lines.sort((a, b) => order(a) - order(b) || b.weight - a.weight);
}

function availability(available) {
  if (available !== false) return [];
  return [line("fault", Infinity, "server", "The MCP server cannot be reached. The standard error of the sidecar says why.")];
}

function toolFailures(now, when) {
  return [...now.tools.values()].flatMap((tool) => failures(tool, `tool ${tool.name}`, when, (n) => `${calls(n)} of ${tool.name}`));
}

/** Calls of tools have lines of their own. */
function methodFailures(now, when) {
  return [...now.methods.values()]
    .filter((method) => method.name !== "tools/call")
    .flatMap((method) => failures(method, `method ${method.name}`, when, (n) => `${method.name} ${n === 1 ? "request" : "requests"}`));
}

/** One line for faults, one for the caller's errors. */
function failures(sums, key, when, subject) {
  const types = [...sums.types].sort((a, b) => b[1] - a[1]);
  const own = types.filter(([type]) => !CALLERS_ERRORS.has(type));
  const callers = types.filter(([type]) => CALLERS_ERRORS.has(type));
  const told = [];
  for (const [level, kinds, ending] of [["fault", own, ""], ["note", callers, " (the caller's error)"]]) {
    if (!kinds.length) continue;
    const failed = kinds.reduce((sum, [, n]) => sum + n, 0);
    const names = kinds.map(([type, n]) => (kinds.length > 1 ? `${type} ${count(n)}` : type)).join(", ");
    const text = `${count(failed)} of ${count(sums.calls)} ${subject(sums.calls)} failed ${when}: ${names}${ending}`;
    told.push(line(level, failed, `${key} ${kinds.map(([type]) => type).join()}`, text));
  }
  return told;
}

function stuck(now, start, when) {
  if (!start.inFlight || now.operations > 0) return [];
  const many = start.inFlight === 1 ? "1 operation is" : `${count(start.inFlight)} operations are`;
  return [line("note", start.inFlight, "stuck", `${many} in flight, and none ended ${when}.`)];
}

function lists(now, when) {
  const lines = [];
  for (const [key, n] of now.changes) {
    const [change, method] = key.split(" ");
    if (n > 0 && change === "changed") {
      lines.push(line("note", n, `changed ${method}`, `${count(n)} ${n === 1 ? "definition" : "definitions"} of ${method} changed ${when}.`));
    }
  }
  if (now.unlisted > 0) {
    lines.push(line("note", now.unlisted, "unlisted", `${count(now.unlisted)} ${calls(now.unlisted)} named a tool that the server does not list ${when}.`));
  }
  return lines;
}

function streams(now, when) {
  const lines = [];
  const failed = now.streamOpens.get("error") ?? 0;
  if (failed > 0) {
    lines.push(line("fault", failed, "streams", `${count(failed)} ${failed === 1 ? "request" : "requests"} for an event stream failed ${when}.`));
  }
  for (const [method, sums] of now.serverRequests) {
    const lost = sums.statuses.get("lost") ?? 0;
    const refused = sums.statuses.get("error") ?? 0;
    if (lost > 0) lines.push(line("note", lost, `lost ${method}`, `${count(lost)} of the server's ${method} requests got no response ${when}.`));
    if (refused > 0) {
      lines.push(line("note", refused, `refused ${method}`, `The client answered ${count(refused)} of the server's ${method} requests with an error ${when}.`));
    }
  }
  return lines;
}

function reading(now, start, when) {
  const lines = [];
  for (const [reason, n] of now.skipped) {
    // Other traffic on the listener.
    if (n > 0 && reason !== "not_mcp" && reason !== "not_json_rpc") {
      lines.push(line("note", n, `skipped ${reason}`, `${count(n)} ${n === 1 ? "message was" : "messages were"} not read ${when}: ${reason}`));
    }
  }
  for (const [label, n] of start.overflowed) {
    if (n > 0) lines.push(line("note", 0, `overflow ${label}`, `The label ${label} is full: further values count as “other”.`));
  }
  return lines;
}

function line(level, weight, key, text) {
  return { level, weight, key, text };
}

function calls(n) {
  return n === 1 ? "call" : "calls";
}
