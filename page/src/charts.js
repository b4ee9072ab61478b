// Small charts of at most the last ten minutes, drawn by uPlot. A chart has one or two lines and a key with their latest values, or with
// those under the pointer. Times without an answer are gaps.
//
// Points have times of performance.now(), so the distances between them are right whatever happens to the clock. The axis shows the
// time of the clock as it is when the chart is drawn.

import uPlot from "uplot";
import { NONE } from "./format.js";
import { Points, SECONDS } from "./points.js";
import { setText } from "./table.js";

/** A chart shows the time since the page was opened, between this and `SECONDS`. */
const SHORTEST = 120;

export class Chart {
  #values;

  /** `lines`: {label, color} with the name of a CSS variable; `format` writes a value; `steps` are those of the axis, uPlot's own if not given. */
  constructor(element, { lines, format, minimum, steps }) {
    Object.assign(this, { element, lines, format });
    this.points = new Points(lines.length);
    this.#values = this.#key();
    const size = () => ({ width: Math.max(120, element.clientWidth), height: element.clientHeight || 110 });
    this.plot = new uPlot(this.#options(size(), minimum, steps), [[], ...lines.map(() => [])], element);
    new ResizeObserver(() => this.plot.setSize(size())).observe(element);
  }

  #key() {
    const key = document.createElement("dl");
    key.className = "key";
    const values = this.lines.map(({ label, color }) => {
      const pair = document.createElement("div");
      const term = document.createElement("dt");
      term.textContent = label;
      term.style.setProperty("--line-color", `var(${color})`);
      const value = document.createElement("dd");
      value.textContent = NONE;
      pair.append(term, value);
      key.append(pair);
      return value;
    });
    this.element.before(key);
    return values;
  }

  #options(size, minimum, steps) {
    const axis = { stroke: () => css("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return {
      ...size,
      legend: { show: false },
      padding: [8, 16, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true, range: (_, first, last) => [last - Math.min(SECONDS, Math.max(SHORTEST, last - first)), last] },
        y: { range: (_, __, max) => [0, Math.max(minimum, (max ?? 0) * 1.1)] },
      },
      axes: [
        {
          ...axis, size: 24, gap: 7, space: 70, grid: { show: false },
          values: (_, ticks, __, ___, step) => ticks.map((tick) => clock(tick, step < 60)),
        },
        {
          ...axis, size: 48, gap: 6, space: 28, grid: { stroke: () => css("--line"), width: 1 }, ...(steps && { incrs: steps }),
          values: (_, ticks) => ticks.map((tick) => this.format(tick).replace(/\.0+(?= |$)/, "")),
        },
      ],
      series: [{}, ...this.lines.map(({ color, isFilled }) => ({
        stroke: () => css(color), width: 1.75, points: { show: false },
        fill: isFilled ? () => css(`${color}-soft`) : undefined,
      }))],
      hooks: { setCursor: [() => this.#writeKey()] },
    };
  }

  /** Adds a point; null is a gap. */
  add(time, values) {
    this.points.add(time, values);
  }

  clear() {
    this.points = new Points(this.lines.length);
  }

  draw() {
    const begin = (Date.now() - performance.now()) / 1000;
    this.plot.setData([this.points.times.map((time) => begin + time), ...this.points.values]);
    this.#writeKey();
  }

  #writeKey() {
    const at = this.plot.cursor.idx ?? this.points.times.length - 1;
    this.#values.forEach((element, index) => {
      const value = this.points.values[index][at];
      setText(element, value == null ? NONE : this.format(value));
    });
  }
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clock(seconds, withSeconds) {
  const time = new Date(seconds * 1000);
  const parts = [time.getHours(), time.getMinutes(), ...(withSeconds ? [time.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
