// Turns scrapes into increases. Counters that restart at 0 do not make spikes or negative rates. Times are seconds of a clock that is
// never set, such as performance.now().
//
// `Increases` compares one scrape with the one before. `Sliding` sums the increases of the last seconds; it adds what is new
// and subtracts what is too old, so its cost is that of the series that changed.

/** Envoy's uptime restarts at 0 as counters do. */
const COUNTER = /_(?:total|bucket|count|sum)$|^envoy_server_uptime$/;

export class Increases {
  /** The last value of each counter. A series that a scrape lacks keeps it for as long as the parser knows the series. */
  #last = new WeakMap();
  #time = null;

  /** The frame from the scrape before to this one, {begin, end, increases}; null for the first scrape. */
  next(scrape, time) {
    const begin = this.#time;
    this.#time = time;
    const increases = new Map();
    let hasRestarted = false;
    for (const [series, value] of scrape) {
      series.isCounter ??= COUNTER.test(series.name);
      if (!series.isCounter) continue;
      // A counter below its last value has restarted at 0, and a new series began at 0.
      const last = this.#last.get(series) ?? 0;
      const increase = value >= last ? value - last : value;
      if (value < last) hasRestarted = true;
      if (increase > 0) increases.set(series, increase);
    }
    // After a restart of Envoy the series that this scrape lacks begin at 0 as well.
    if (hasRestarted) this.#last = new WeakMap();
    for (const [series, value] of scrape) if (series.isCounter) this.#last.set(series, value);
    return begin === null ? null : { begin, end: time, increases };
  }
}

export class Sliding {
  #frames = [];
  #sums = new Map();

  constructor(seconds) {
    this.length = seconds;
  }

  add(frame) {
    this.#frames.push(frame);
    for (const [series, increase] of frame.increases) {
      this.#sums.set(series, (this.#sums.get(series) ?? 0) + increase);
    }
    // A frame that began a little before the window still counts: scrapes are not exactly 2 s apart.
    while (this.#frames.length > 1 && this.#frames[0].begin < frame.end - this.length - 1) this.#drop();
  }

  #drop() {
    for (const [series, increase] of this.#frames.shift().increases) {
      const rest = this.#sums.get(series) - increase;
      // Sums of durations are not integers, so their difference may miss 0 by a little.
      if (rest > 1e-6) this.#sums.set(series, rest);
      else this.#sums.delete(series);
    }
  }

  /** The increases within the window, by series. */
  get sums() {
    return this.#sums;
  }

  /** How many seconds the window covers: fewer after the page was opened, more after it was hidden. */
  get seconds() {
    const frames = this.#frames;
    return frames.length ? frames[frames.length - 1].end - frames[0].begin : 0;
  }
}
