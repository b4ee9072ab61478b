import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser } from "../src/parse.js";

const parse = (text) => [...createParser()(text)].map(([{ name, labels }, value]) => [name, { ...labels }, value]);

test("series_with_labels_keeps_names_and_values", () => {
  assert.deepEqual(parse('# TYPE mcp_a_total counter\nmcp_a_total{method="tools/call",error_type=""} 12\n'), [
    ["mcp_a_total", { method: "tools/call", error_type: "" }, 12],
  ]);
});

test("series_without_labels_or_with_empty_ones_has_none", () => {
  assert.deepEqual(parse("mcp_a 1\nmcp_b{} 2.5e3"), [["mcp_a", {}, 1], ["mcp_b", {}, 2500]]);
});

test("braces_blanks_and_escapes_in_a_label_value_are_kept", () => {
  const text = String.raw`mcp_a{tool_name="a} 7 {b=\"c\" \\ d\ne",x="y"} 3`;
  assert.deepEqual(parse(text), [["mcp_a", { tool_name: 'a} 7 {b="c" \\ d\ne', x: "y" }, 3]]);
});

test("label_named_like_a_member_of_objects_is_a_label", () => {
  const [[, labels]] = parse('mcp_a{__proto__="x",constructor="y"} 1');
  assert.equal(Object.getOwnPropertyDescriptor(labels, "constructor").value, "y");
  assert.equal({}.x, undefined);
});

test("lines_without_a_number_and_other_families_are_skipped", () => {
  const text = 'mcp_a{x="y"}\nmcp_b{x="y"} NaN\nmcp_c\n\nmcp_d{ 1\nenvoy_server_uptime{} 3\nother{a="b"} 1\n<html>\nmcp_e 5';
  assert.deepEqual(parse(text).map(([name]) => name), ["mcp_e"]);
});

test("health_of_the_clusters_is_kept", () => {
  assert.equal(parse('envoy_cluster_membership_healthy{envoy_cluster_name="a"} 1\n').length, 1);
});

test("a_timestamp_is_not_part_of_the_value", () => {
  assert.deepEqual(parse('mcp_a{x="y"} 4 1700000000000'), [["mcp_a", { x: "y" }, 4]]);
});

test("a_series_is_the_same_object_in_the_next_scrape", () => {
  const parser = createParser();
  const [first] = parser('mcp_a{x="y"} 1\n').keys();
  const [second] = parser('mcp_a{x="y"} 2\n').keys();
  assert.equal(first, second);
});
