// Histograms: buckets by upper bound, with cumulative counts, as Prometheus has them.

export class Histogram {
  /** Bounds and counts as they came. Most histograms are never asked for a quantile, so they are put in order only then. */
  #bounds = [];
  #totals = [];
  count = 0;
  sum = 0;

  /** Adds the value of one series of the family. */
  add(part, labels, value) {
    if (part === "count") this.count += value;
    else if (part === "sum") this.sum += value;
    else {
      this.#bounds.push(labels.le);
      this.#totals.push(value);
    }
  }

  /** Pairs of bound and count, by bound; those of several series are added. */
  get #buckets() {
    const buckets = new Map();
    this.#bounds.forEach((le, index) => {
      const bound = le === "+Inf" ? Infinity : Number(le);
      buckets.set(bound, (buckets.get(bound) ?? 0) + this.#totals[index]);
    });
    return [...buckets].sort(([a], [b]) => a - b);
  }

  get mean() {
    return this.count > 0 ? this.sum / this.count : null;
  }

  /** A quantile, linear inside its bucket as Prometheus computes it; null without observations. Beyond the last bound it is
   *  that bound. */
  quantile(share) {
    const buckets = this.#buckets;
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
