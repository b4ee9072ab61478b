import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../src/quantiles.js";

function histogram(...buckets) {
  const made = new Histogram();
  for (const [le, total] of buckets) made.add("bucket", { le }, total);
  return made;
}

test("quantile_is_linear_inside_its_bucket", () => {
  const made = histogram(["1000", 0], ["2000", 10], ["5000", 10], ["+Inf", 10]);
  assert.equal(made.quantile(0.5), 1500);
  assert.equal(made.quantile(1), 2000);
});

test("first_bucket_begins_at_0", () => {
  assert.equal(histogram(["1000", 4], ["+Inf", 4]).quantile(0.5), 500);
});

test("quantile_beyond_the_last_bound_is_that_bound", () => {
  assert.equal(histogram(["1000", 1], ["2000", 1], ["+Inf", 10]).quantile(0.95), 2000);
});

test("bounds_are_sorted_as_numbers", () => {
  assert.equal(histogram(["+Inf", 10], ["20000", 10], ["5000", 0], ["10000", 0]).quantile(0.5), 15000);
});

test("histogram_without_observations_has_neither_quantile_nor_mean", () => {
  assert.equal(histogram(["1000", 0], ["+Inf", 0]).quantile(0.5), null);
  assert.equal(new Histogram().quantile(0.5), null);
  assert.equal(new Histogram().mean, null);
});

test("histograms_of_several_series_are_added", () => {
  const made = histogram(["1000", 10], ["2000", 10], ["+Inf", 10], ["1000", 0], ["2000", 10], ["+Inf", 10]);
  assert.equal(made.quantile(0.75), 1500);
  made.add("sum", {}, 30);
  made.add("count", {}, 10);
  made.add("count", {}, 5);
  assert.equal(made.mean, 2);
});
