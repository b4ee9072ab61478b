// What the page says while it has no numbers: there is no answer, or there was no call yet.
//
// `source` is the address of the metrics that `mcp-sidecar page` fetches, null if a sidecar sends this page itself.

const AGAIN = "This page asks again every 2 seconds.";

/** {state, title, text} when requests fail: `error` of the last request, which has a `source` if `mcp-sidecar page` answered it. */
export function goneWords(error, source) {
  if (error.source) {
    return { state: "Source gone", title: "The source of the metrics does not answer", text: `${error.message}. ${AGAIN}` };
  }
  if (error.isOther) {
    const text = `Another program has the sidecar's port, or a proxy answers in its place. ${AGAIN}`;
    return { state: "No metrics", title: "The answer to /metrics is not a page of metrics", text };
  }
  if (source) {
    const start = `Start it again: mcp-sidecar page --metrics ${source}`;
    return { state: "Page gone", title: "mcp-sidecar page does not answer", text: `It was ended (${error.message}). ${start}` };
  }
  const text = `It was stopped, or the network fails (${error.message}). ${AGAIN}`;
  return { state: "Sidecar gone", title: "The sidecar does not answer", text };
}

/** {title, text} before the first call; null where the page shows a command that sends it. */
export function emptyWords(source, scrape) {
  if (!source) return null;
  if (![...scrape.keys()].some(({ name }) => name.startsWith("mcp_"))) {
    const text = `${source} has no series that begin with mcp_. There was no call yet, this Envoy does not have the filter, or the scrape leaves its series out.`;
    return { title: "No series of the filter yet", text };
  }
  const text = "Nothing has passed through the filter of this Envoy yet. Send a request through it to the MCP server; the numbers appear here within 3 seconds.";
  return { title: "Waiting for the first call", text };
}
