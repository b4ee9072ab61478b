import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser, isPage } from "../src/parse.js";

const parse = (text) => [...createParser()(text)].map(([{ name, labels }, value]) => [name, { ...labels }, value]);

test("series_with_labels_keeps_names_and_values", () => {
  assert.deepEqual(parse('# TYPE mcp_a_total counter\nmcp_a_total{method="tools/call",error_type=""} 12\n'), [
    ["mcp_a_total", { method: "tools/call", error_type: "" }, 12],
  ]);
});

test("series_without_labels_or_with_empty_ones_has_none", () => {
  assert.deepEqual(parse("mcp_a 1\nmcp_b{} 2.5e3\n"), [["mcp_a", {}, 1], ["mcp_b", {}, 2500]]);
});

test("braces_blanks_and_escapes_in_a_label_value_are_kept", () => {
  const text = String.raw`mcp_a{tool_name="a} 7 {b=\"c\" \\ d\ne",x="y"} 3`;
  assert.deepEqual(parse(`${text}\n`), [["mcp_a", { tool_name: 'a} 7 {b="c" \\ d\ne', x: "y" }, 3]]);
});

test("label_named_like_a_member_of_objects_is_a_label", () => {
  const [[, labels]] = parse('mcp_a{__proto__="x",constructor="y"} 1\n');
  assert.equal(Object.getOwnPropertyDescriptor(labels, "constructor").value, "y");
  assert.equal({}.x, undefined);
});

test("lines_without_a_number_and_other_families_are_skipped", () => {
  const text = 'mcp_a{x="y"}\nmcp_b{x="y"} NaN\nmcp_c\n\nmcp_d{ 1\nenvoy_server_live{} 3\nother{a="b"} 1\n<html>\nmcp_e 5\n';
  assert.deepEqual(parse(text).map(([name]) => name), ["mcp_e"]);
});

test("health_of_the_clusters_is_kept", () => {
  assert.equal(parse('envoy_cluster_membership_healthy{envoy_cluster_name="a"} 1\n').length, 1);
});

test("a_timestamp_is_not_part_of_the_value", () => {
  assert.deepEqual(parse('mcp_a{x="y"} 4 1700000000000\n'), [["mcp_a", { x: "y" }, 4]]);
});

test("a_series_is_the_same_object_in_the_next_scrape", () => {
  const parser = createParser();
  const [first] = parser('mcp_a{x="y"} 1\n').keys();
  const [second] = parser('mcp_a{x="y"} 2\n').keys();
  assert.equal(first, second);
});

test("series_is_the_same_object_after_scrapes_without_it_and_forgotten_in_the_end", () => {
  const parser = createParser();
  const back = (scrapes) => {
    for (let n = 0; n < scrapes; n++) parser("mcp_b 1\n");
    return [...parser('mcp_a{x="y"} 1\n').keys()][0];
  };
  const first = back(0);
  assert.equal(back(1), first);
  assert.equal(back(250), first);
  assert.notEqual(back(301), first);
});

test("of_very_many_absent_series_only_those_of_the_last_scrape_are_known", () => {
  const parser = createParser();
  const page = (begin) => Array.from({ length: 30_000 }, (_, n) => `mcp_a{x="${begin + n}"} 1\n`).join("");
  const [first] = parser(page(0)).keys();
  parser(page(100_000));
  assert.equal([...parser(page(0)).keys()][0], first);
  for (const begin of [100_000, 200_000, 300_000]) parser(page(begin));
  assert.notEqual([...parser(page(0)).keys()][0], first);
});

test("the_last_line_of_a_text_that_was_cut_is_not_read", () => {
  assert.deepEqual(parse("mcp_a 100\nmcp_b 10"), [["mcp_a", {}, 100]]);
});

test("page_of_metrics_is_told_from_other_text", () => {
  for (const text of ['# HELP a b\n\n# TYPE a counter\na{b="c d"} 0\n', "a 1\n", "a:b_c NaN\n", 'a{b="} 1"} -1.5e+06 17\r\n', "a +Inf\n"]) {
    assert.ok(isPage(text), text);
  }
  for (const text of ["", "\r\n", "# a comment\n", "<html>\n<body></body>\na 1\n", "404 page not found\n", '{"a": 1}\n', "Log in\n", "a\n"]) {
    assert.ok(!isPage(text), text);
  }
});
