import assert from "node:assert/strict";
import { test } from "node:test";
import { percent, rate } from "../src/format.js";

test("only_a_rate_of_0_is_0", () => {
  const texts = [null, 0, 0.0001, 0.0049, 0.0099, 0.02, 0.5, 12.34, 1234.5].map(rate);
  assert.deepEqual(texts, ["–", "0", "< 0.01", "< 0.01", "< 0.01", "0.02", "0.5", "12.3", "1,235"]);
});

test("only_a_ratio_of_0_is_0_percent_and_only_1_is_100_percent", () => {
  assert.deepEqual([null, 0, 0.0001, 0.5, 0.9999, 1].map(percent), ["–", "0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100 %"]);
});
