// Numbers as text. null and undefined, for "not known", become a dash.

export const NONE = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(value) {
  return value == null ? NONE : whole.format(value);
}

/** A rate in 1/s. Only exactly 0 is 0. */
export function rate(value) {
  if (value == null) return NONE;
  if (value === 0) return "0";
  if (value < 0.01) return "< 0.01";
  if (value < 0.1) return value.toFixed(2);
  return value < 100 ? value.toFixed(1) : whole.format(value);
}

/** A ratio from 0 to 1, in percent. Only exactly 0 is 0 %, and only 1 is 100 %. */
export function percent(ratio) {
  if (ratio == null) return NONE;
  const value = ratio * 100;
  if (value === 0 || value === 100) return `${value} %`;
  if (value < 0.1) return "< 0.1 %";
  return value > 99.9 ? "> 99.9 %" : `${value.toFixed(1)} %`;
}

export function duration(microseconds) {
  if (microseconds == null) return NONE;
  const ms = microseconds / 1000;
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  return seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`;
}

export function bytes(value) {
  if (value == null) return NONE;
  if (value < 1000) return `${value.toFixed(0)} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

/** "in the last minute", for a window of so many seconds. */
export function lastSeconds(seconds) {
  if (seconds < 55) return `in the last ${Math.max(1, Math.round(seconds))} s`;
  return seconds < 90 ? "in the last minute" : `in the last ${Math.round(seconds / 60)} min`;
}
