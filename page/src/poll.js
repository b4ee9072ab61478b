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
    try {
      const text = await get(url);
      failures = 0;
      onText(text, Date.now() / 1000);
    } catch (error) {
      failures += 1;
      if (failures >= FAILURES) onGone(error, Date.now() / 1000);
    }
    isAsking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, Math.max(100, INTERVAL - (performance.now() - begun)));
  }

  document.addEventListener("visibilitychange", ask);
  ask();
}

async function get(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}
