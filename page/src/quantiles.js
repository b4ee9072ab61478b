// Histograms: buckets by upper bound, with cumulative counts, as Prometheus has them.

export class Histogram {
  #buckets = new Map();
  count = 0;
  sum = 0;

  /** Adds the value of one series of the family. */
  add(part, labels, value) {
    if (part === "count") this.count += value;
    else if (part === "sum") this.sum += value;
    else {
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      this.#buckets.set(bound, (this.#buckets.get(bound) ?? 0) + value);
    }
  }

  get mean() {
    return this.count > 0 ? this.sum / this.count : null;
  }

  /** A quantile, linear inside its bucket as Prometheus computes it; null without observations. Beyond the last bound it is
   *  that bound. */
  quantile(share) {
    const buckets = [...this.#buckets].sort(([a], [b]) => a - b);
    const all = buckets.length ? buckets[buckets.length - 1][1] : 0;
    if (!(all > 0)) return null;
    const rank = share * all;
    let lower = 0;
    let below = 0;
    for (const [bound, total] of buckets) {
      if (total >= rank) {
        if (bound === Infinity) return lower;
        return total > below ? lower + ((bound - lower) * (rank - below)) / (total - below) : bound;
      }
      lower = bound;
      below = total;
    }
    return lower;
  }
}
