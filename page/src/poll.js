// Asks for /metrics every two seconds while the page is visible. Two failures in a row mean that the sidecar is gone.

import { isPage } from "./parse.js";

const INTERVAL = 2000;
/** `mcp-sidecar page` waits 5 s for its source, and answers then that the source does not. This is longer, so that its answer arrives. */
const TIMEOUT = 8000;
const FAILURES = 2;
const LONGEST_REASON = 500;

/**
 * Calls `onText(text, seconds, source)` for each answer, `onGone(error, seconds)` once it is gone and for each failure from then on.
 * Seconds are those of performance.now(), a clock that is never set.
 * `source`, and that of an error, is the address of another Envoy's metrics, null for the sidecar's own (`source.js`).
 */
export function poll(url, { onText, onGone }) {
  let timer = 0;
  let failures = 0;
  let isAsking = false;

  async function ask() {
    if (isAsking || document.hidden) return;
    isAsking = true;
    const begun = performance.now();
    const answer = await get(url).catch((error) => ({ error }));
    isAsking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, Math.max(100, INTERVAL - (performance.now() - begun)));
    failures = answer.error ? failures + 1 : 0;
    if (!answer.error) onText(answer.text, performance.now() / 1000, answer.source);
    else if (failures >= FAILURES) onGone(answer.error, performance.now() / 1000);
  }

  document.addEventListener("visibilitychange", ask);
  ask();
}

async function get(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  const source = response.headers.get("mcp-metrics-source");
  const text = await response.text();
  if (response.ok && isPage(text)) return { text, source };
  if (response.ok) throw Object.assign(new Error("the answer is not a page of metrics"), { source, isOther: true });
  // The command says in the body what fails.
  throw Object.assign(new Error(source ? text.slice(0, LONGEST_REASON) : `HTTP ${response.status}`), { source });
}
