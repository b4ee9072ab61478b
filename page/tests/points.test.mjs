import assert from "node:assert/strict";
import { test } from "node:test";
import { Points } from "../src/points.js";

const of = (...times) => {
  const points = new Points(2);
  for (const time of times) points.add(time, [time, null]);
  return points;
};

test("points_two_seconds_apart_are_a_line", () => {
  assert.deepEqual(of(100, 102, 104.5).values, [[100, 102, 104.5], [null, null, null]]);
});

test("time_in_which_the_page_was_hidden_is_a_gap", () => {
  const { times, values } = of(100, 102, 402, 404);
  assert.deepEqual([times, values[0]], [[100, 102, 252, 402, 404], [100, 102, null, 402, 404]]);
});

test("points_are_kept_for_ten_minutes", () => {
  const points = new Points(1);
  for (let time = 0; time <= 2000; time += 2) points.add(time, [1]);
  assert.ok(points.times.length <= 306 && points.times.at(0) <= 1400);
  assert.equal(points.times.length, points.values[0].length);
});
