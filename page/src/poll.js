// Asks for /metrics every two seconds while the page is visible. Two failures in a row mean that the sidecar is gone.

const INTERVAL = 2000;
const TIMEOUT = 5000;
const FAILURES = 2;

/** Calls `onText(text, seconds)` for each answer, `onGone(why, seconds)` once it is gone and for each failure from then on. */
export function poll(url, { onText, onGone }) {
  let timer = 0;
  let failures = 0;
  let isAsking = false;

  async function ask() {
    if (isAsking || document.hidden) return;
    isAsking = true;
    const begun = performance.now();
    const answer = await get(url).then((text) => ({ text }), (error) => ({ error }));
    isAsking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, Math.max(100, INTERVAL - (performance.now() - begun)));
    failures = answer.error ? failures + 1 : 0;
    if (!answer.error) onText(answer.text, Date.now() / 1000);
    else if (failures >= FAILURES) onGone(answer.error, Date.now() / 1000);
  }

  document.addEventListener("visibilitychange", ask);
  ask();
}

async function get(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}
