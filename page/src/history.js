// Turns scrapes into increases. Counters that restart at 0 do not make spikes or negative rates.
//
// `Increases` compares one scrape with the one before. `Sliding` sums the increases of the last seconds; it adds what is new
// and subtracts what is too old, so its cost is that of the series that changed.

const COUNTER = /_(?:total|bucket|count|sum)$/;

export class Increases {
  #before = null;
  #time = 0;

  /** The frame from the scrape before to this one, {begin, end, increases}; null for the first scrape. */
  next(scrape, time) {
    const before = this.#before;
    const begin = this.#time;
    this.#before = scrape;
    this.#time = time;
    if (!before) return null;
    const increases = new Map();
    for (const [series, value] of scrape) {
      series.isCounter ??= COUNTER.test(series.name);
      if (!series.isCounter) continue;
      // A counter below its last value has restarted at 0, and a new series began at 0.
      const last = before.get(series) ?? 0;
      const increase = value >= last ? value - last : value;
      if (increase > 0) increases.set(series, increase);
    }
    return { begin, end: time, increases };
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
