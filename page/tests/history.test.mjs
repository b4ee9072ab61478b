import assert from "node:assert/strict";
import { test } from "node:test";
import { Increases, Sliding } from "../src/history.js";
import { createParser } from "../src/parse.js";

const total = { name: "mcp_a_total", labels: {} };
const other = { name: "mcp_b_total", labels: {} };
const gauge = { name: "mcp_requests_in_flight", labels: {} };
const scrape = (...pairs) => new Map(pairs);

test("first_scrape_has_no_increase", () => {
  assert.equal(new Increases().next(scrape([total, 1000]), 0), null);
});

test("increase_is_the_difference_and_gauges_have_none", () => {
  const increases = new Increases();
  increases.next(scrape([total, 10], [gauge, 1]), 0);
  const frame = increases.next(scrape([total, 13], [gauge, 5]), 2);
  assert.deepEqual([...frame.increases], [[total, 3]]);
  assert.deepEqual([frame.begin, frame.end], [0, 2]);
});

test("counter_that_restarted_counts_from_0", () => {
  const increases = new Increases();
  increases.next(scrape([total, 1_000_000]), 0);
  assert.equal(increases.next(scrape([total, 4]), 2).increases.get(total), 4);
  assert.equal(increases.next(scrape([total, 5]), 4).increases.get(total), 1);
});

test("new_series_counts_from_0_and_unchanged_ones_are_left_out", () => {
  const increases = new Increases();
  increases.next(scrape([total, 7]), 0);
  assert.deepEqual([...increases.next(scrape([total, 7], [other, 2]), 2).increases], [[other, 2]]);
});

/** The increases of mcp_a_total and mcp_b_total in the last of some pages. */
function lastIncreases(...pages) {
  const [parse, increases] = [createParser(), new Increases()];
  const [{ increases: last }] = pages.map((page, second) => increases.next(parse(page), second)).slice(-1);
  return Object.fromEntries([...last].filter(([{ name }]) => name.startsWith("mcp_")).map(([{ name }, value]) => [name, value]));
}

test("series_that_scrapes_lack_is_no_traffic_when_it_is_back", () => {
  const [before, after] = ["mcp_a_total{} 1000\nmcp_b_total{} 100\n", "mcp_a_total{} 1003\nmcp_b_total{} 100\n"];
  const info = 'mcp_filter_info{filter_version="1"} 1\n';
  for (const lacking of [info, "mcp_a_total{} NaN\nmcp_b_total{} NaN\n", before.slice(0, 17), "mcp_b_total{} 100\n"]) {
    assert.deepEqual(lastIncreases(before, lacking, after), { mcp_a_total: 3 }, lacking);
    assert.deepEqual(lastIncreases(before, ...Array(200).fill(lacking), after), { mcp_a_total: 3 }, lacking);
  }
});

test("series_that_is_back_after_a_restart_counts_from_0", () => {
  assert.deepEqual(lastIncreases("mcp_a_total{} 1000\n", "mcp_other 1\n", "mcp_a_total{} 4\n"), { mcp_a_total: 4 });
  const page = (uptime, series) => `envoy_server_uptime{} ${uptime}\n${series}`;
  const [before, after] = [page(50, "mcp_a_total{} 3\n"), page(4, "mcp_a_total{} 5\n")];
  assert.deepEqual(lastIncreases(before, page(2, ""), after), { mcp_a_total: 5 });
  assert.deepEqual(lastIncreases(before, page(52, ""), page(54, "mcp_a_total{} 5\n")), { mcp_a_total: 2 });
});

test("window_drops_what_is_too_old", () => {
  const window = new Sliding(10);
  for (let end = 2; end <= 40; end += 2) window.add({ begin: end - 2, end, increases: scrape([total, 1]) });
  assert.equal(window.sums.get(total), 5);
  assert.equal(window.seconds, 10);
  for (let end = 42; end <= 60; end += 2) window.add({ begin: end - 2, end, increases: scrape() });
  assert.equal(window.sums.size, 0);
});

test("window_after_a_pause_is_as_long_as_the_pause", () => {
  const window = new Sliding(60);
  window.add({ begin: 0, end: 2, increases: scrape([total, 1]) });
  window.add({ begin: 2, end: 602, increases: scrape([total, 50]) });
  assert.equal(window.seconds, 600);
  assert.equal(window.sums.get(total), 50);
});
