// The live region for screen readers. It speaks when the state changes, and at most every ten seconds when something new fails; not
// when numbers change.

const PAUSE = 10_000;

/** Returns a function that takes the state's text and the lines of `problems`. */
export function announcer(region) {
  let known = null;
  let next = 0;
  return (state, lines) => {
    const faults = lines.filter(({ level }) => level === "fault");
    const keys = new Set([state, ...faults.map(({ key }) => key)]);
    const isNew = known === null || [...keys].some((key) => !known.has(key));
    if (!isNew) {
      known = keys;
      return;
    }
    if (known?.has(state) && performance.now() < next) return;
    const fresh = faults.filter(({ key }) => !known?.has(key)).slice(0, 3);
    known = keys;
    next = performance.now() + PAUSE;
    region.textContent = [state, ...fresh.map(({ text }) => text)].join(". ");
  };
}
