// Parses the Prometheus text format, version 0.0.4, as Envoy writes it at /stats/prometheus.
//
// A scrape becomes a Map from series to value. A series is one object {name, labels} for as long as it occurs and a while longer,
// so that its labels are parsed once and later scrapes only compare strings. Only the families that the page uses are kept.
//
// This does not read timestamps, exemplars, HELP and TYPE. Cost: one pass over the text, and a look-up for each kept line.

const OTHER_FAMILIES = new Set([
  "envoy_cluster_membership_healthy",
  "envoy_listener_http_downstream_rq_xx",
  "envoy_server_uptime",
]);
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPE = /\\(.)/g;
const SAMPLE = /^[A-Za-z_:][\w:]*(?:\{.*\})?[ \t]+(?:[+-]?(?:\d|\.\d|Inf)|NaN)/;
/** A series that is absent is remembered for so many scrapes, 10 minutes: one that lacks it does not mean that it began again. */
const REMEMBERED = 300;
/** If more series than this are absent, only those of the scrape before are remembered. This bounds the memory. */
const MOST_ABSENT = 50_000;

/** Whether a text is a page of metrics: its first line that is no comment is a sample. */
export function isPage(text) {
  const line = /^(?!#|\r?$).*/m.exec(text);
  return line !== null && SAMPLE.test(line[0]);
}

/** Returns a function that parses one scrape after the other. */
export function createParser() {
  // Lines by head, which is a line up to its value, and those of the scrape before in their order.
  const known = new Map();
  let order = [];
  let scrapes = 0;
  return function parse(text) {
    const values = new Map();
    const lines = [];
    scrapes += 1;
    for (let begin = 0, end = 0; begin < text.length; begin = end + 1) {
      end = text.indexOf("\n", begin);
      // Every line ends with a line feed: the rest of a text that was cut may be the begin of a number.
      if (end < 0) break;
      const line = asBefore(text, begin, order[lines.length]) ?? find(known, headOf(text, begin, end));
      if (line === null) continue;
      const value = Number.parseFloat(text.slice(begin + line.head.length + 1, end));
      if (!Number.isFinite(value)) continue;
      if (line.scrape === 0) known.set(line.head, line);
      line.scrape = scrapes;
      lines.push(line);
      values.set(line.series, value);
    }
    forget(known, scrapes, values.size);
    order = lines;
    return values;
  };
}

/** Series that are gone are forgotten, so memory does not grow with what a page has ever seen. */
function forget(known, scrapes, present) {
  const oldest = scrapes - (known.size - present > MOST_ABSENT ? 1 : REMEMBERED);
  for (const [head, line] of known) if (line.scrape < oldest) known.delete(head);
}

/** The line that stood here in the scrape before, if it still does. This is the usual case, and cuts no string out of the text. */
function asBefore(text, begin, line) {
  return line !== undefined && text.startsWith(line.head, begin) && text[begin + line.head.length] === " " ? line : null;
}

function find(known, head) {
  if (head === null) return null;
  const line = known.get(head);
  if (line) return line;
  const series = parseSeries(head);
  return series && { head, series, scrape: 0 };
}

/** The head of a line, null if the page does not use the line. */
function headOf(text, begin, end) {
  if (!isKept(text, begin, end)) return null;
  // The last brace ends the labels, whatever a label value holds: no number contains one.
  const brace = text.lastIndexOf("}", end - 1);
  const split = brace > begin ? brace + 1 : text.indexOf(" ", begin);
  return split > begin && split < end ? text.slice(begin, split) : null;
}

function isKept(text, begin, end) {
  if (text.startsWith("mcp_", begin)) return true;
  if (!text.startsWith("envoy_", begin)) return false;
  const brace = text.indexOf("{", begin);
  return brace > 0 && brace < end && OTHER_FAMILIES.has(text.slice(begin, brace));
}

/** null for a line whose labels do not end. */
function parseSeries(head) {
  const brace = head.indexOf("{");
  if (brace < 0) return { name: head, labels: {} };
  if (!head.endsWith("}")) return null;
  const labels = {};
  for (const [, name, value] of head.slice(brace).matchAll(LABEL)) {
    labels[name] = value.replace(ESCAPE, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  return { name: head.slice(0, brace), labels };
}
