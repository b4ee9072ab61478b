// Parses the Prometheus text format, version 0.0.4, as Envoy writes it at /stats/prometheus.
//
// A scrape becomes a Map from series to value. A series is one object {name, labels} for as long as it occurs, so that its
// labels are parsed once and later scrapes only compare strings. Only the families that the page uses are kept.
//
// This does not read timestamps, exemplars, HELP and TYPE. Cost: one pass over the text, one look-up for each kept line.

const OTHER_FAMILIES = new Set([
  "envoy_cluster_membership_healthy",
  "envoy_listener_http_downstream_rq_xx",
]);
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPE = /\\(.)/g;

/** Returns a function that parses one scrape after the other. */
export function createParser() {
  let known = new Map();
  return function parse(text) {
    const values = new Map();
    const seen = new Map();
    for (let begin = 0; begin < text.length; ) {
      let end = text.indexOf("\n", begin);
      if (end < 0) end = text.length;
      if (isKept(text, begin, end)) {
        // The last brace ends the labels, whatever a label value holds: no number contains one.
        const brace = text.lastIndexOf("}", end - 1);
        const split = brace > begin ? brace + 1 : text.indexOf(" ", begin);
        const head = text.slice(begin, split);
        const value = split > begin && split < end ? Number.parseFloat(text.slice(split, end)) : NaN;
        if (Number.isFinite(value)) {
          const series = known.get(head) ?? parseSeries(head);
          if (series) {
            seen.set(head, series);
            values.set(series, value);
          }
        }
      }
      begin = end + 1;
    }
    // Series that are gone are forgotten, so memory does not grow with what a page has ever seen.
    known = seen;
    return values;
  };
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
