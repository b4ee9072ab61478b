// What is wrong now, in words. `problems` has one line for each thing, the worst first.
//
// A line is {level, key, text}: `fault` is the server's or the sidecar's, `note` is the caller's or worth a look. `key` names the
// thing and its server without its numbers, so that a screen reader is told of new things only.

import { count, lastSeconds } from "./format.js";
import { CALLERS_ERRORS } from "./tally.js";

const LEVELS = ["fault", "note"];

/**
 * Each of `parts` is {server, now, start, available}: tallies of the last minute and since the start. `server` is null if the words
 * need no name of a server. `seconds` is how long the minute really is.
 */
export function problems(parts, seconds) {
  const when = lastSeconds(seconds);
  const lines = parts.flatMap((part) => ofPart(part, when));
  const order = (line) => LEVELS.indexOf(line.level);
  return lines.sort((a, b) => order(a) - order(b) || b.weight - a.weight);
}

function ofPart({ server, now, start, available }, when) {
  const at = server === null ? "" : ` at ${server}`;
  const lines = [
    ...availability(available, server),
    ...toolFailures(now, at, when),
    ...methodFailures(now, at, when),
    ...stuck(now, start, at, when),
    ...lists(now, at, when),
    ...streams(now, at, when),
    ...reading(now, start, at, when),
  ];
  return lines.map((each) => ({ ...each, key: `${each.key}${at}` }));
}

function availability(available, server) {
  if (available !== false) return [];
  // A sidecar has one server. Of another Envoy it is not known where it logs.
  const text = server === null ? "The MCP server cannot be reached. The standard error of the sidecar says why."
    : `The MCP server ${server} cannot be reached.`;
  return [line("fault", Infinity, "server", text)];
}

function toolFailures(now, at, when) {
  return [...now.tools.values()].flatMap((tool) =>
    failures(tool, `tool ${tool.name}`, when, (n) => `${calls(n)} of ${tool.name}${at}`));
}

/** Calls of tools have lines of their own. */
function methodFailures(now, at, when) {
  return [...now.methods.values()]
    .filter((method) => method.name !== "tools/call")
    .flatMap((method) => failures(method, `method ${method.name}`, when, (n) => `${method.name} ${plural(n, "request")}${at}`));
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

function stuck(now, start, at, when) {
  if (!start.inFlight || now.operations > 0) return [];
  const many = start.inFlight === 1 ? "1 operation is" : `${count(start.inFlight)} operations are`;
  return [line("note", start.inFlight, "stuck", `${many} in flight${at}, and none ended ${when}.`)];
}

function lists(now, at, when) {
  const lines = [];
  for (const [key, n] of now.changes) {
    const [change, method] = key.split(" ");
    if (n > 0 && change === "changed") {
      lines.push(line("note", n, `changed ${method}`, `${count(n)} ${plural(n, "definition")} of ${method}${at} changed ${when}.`));
    }
  }
  if (now.unlisted > 0) {
    const subject = `${count(now.unlisted)} ${calls(now.unlisted)}${at}`;
    lines.push(line("note", now.unlisted, "unlisted", `${subject} named a tool that the server does not list ${when}.`));
  }
  return lines;
}

function streams(now, at, when) {
  const lines = [];
  const failed = now.streamOpens.get("error") ?? 0;
  if (failed > 0) {
    lines.push(line("fault", failed, "streams", `${count(failed)} ${plural(failed, "request")} for an event stream${at} failed ${when}.`));
  }
  for (const [method, sums] of now.serverRequests) {
    const requests = `the server's ${method} requests${at}`;
    const lost = sums.statuses.get("lost") ?? 0;
    const refused = sums.statuses.get("error") ?? 0;
    if (lost > 0) lines.push(line("note", lost, `lost ${method}`, `${count(lost)} of ${requests} got no response ${when}.`));
    if (refused > 0) {
      lines.push(line("note", refused, `refused ${method}`, `The client answered ${count(refused)} of ${requests} with an error ${when}.`));
    }
  }
  return lines;
}

function reading(now, start, at, when) {
  const lines = [];
  for (const [reason, n] of now.skipped) {
    // Other traffic on the listener.
    if (n > 0 && reason !== "not_mcp" && reason !== "not_json_rpc") {
      lines.push(line("note", n, `skipped ${reason}`, `${count(n)} ${n === 1 ? "message was" : "messages were"} not read${at} ${when}: ${reason}`));
    }
  }
  for (const [label, n] of start.overflowed) {
    if (n > 0) lines.push(line("note", 0, `overflow ${label}`, `The label ${label}${at} is full: further values count as “other”.`));
  }
  return lines;
}

function line(level, weight, key, text) {
  return { level, weight, key, text };
}

function calls(n) {
  return plural(n, "call");
}

function plural(n, word) {
  return n === 1 ? word : `${word}s`;
}
