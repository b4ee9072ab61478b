// The points of a chart: one list of times, and one of values for each line.

/** Points are kept for so long. */
export const SECONDS = 600;
/** A point tells of the 10 seconds before it. Between points that are further apart there is a gap. */
const LONGEST = 10;

export class Points {
  times = [];
  values = [];

  constructor(lines) {
    this.values = Array.from({ length: lines }, () => []);
  }

  /** Adds a point; null is a gap. */
  add(time, values) {
    const last = this.times.at(-1);
    if (time - last > LONGEST) this.#push((last + time) / 2, null);
    this.#push(time, values);
    const old = this.times.findIndex((each) => each >= time - SECONDS - 10);
    if (old > 0) for (const line of [this.times, ...this.values]) line.splice(0, old);
  }

  #push(time, values) {
    this.times.push(time);
    this.values.forEach((line, index) => line.push(values?.[index] ?? null));
  }
}
