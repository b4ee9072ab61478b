// The built page in Chromium, as a real sidecar serves it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { bytes, count, duration } from "../src/format.js";
import { Browser, LONGEST } from "./browser.mjs";
import { PROBLEMS, STATE, milliseconds, rows, text } from "./expressions.mjs";
import { Client, Sidecar } from "./sidecar.mjs";

let browser;
let sidecar;

before(async () => {
  // One after the other: if one fails, what was started is stopped.
  browser = await Browser.start();
  sidecar = await Sidecar.start();
});

after(async () => {
  await browser?.stop();
  await sidecar?.stop();
});

/** The value of a series, read by other code than the page's. */
function value(scrape, name, labels) {
  const found = scrape.split("\n").filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));
  return found.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** A quantile of a tool's durations in microseconds, likewise. */
function quantile(scrape, tool, share) {
  const lines = scrape.split("\n").filter((line) => line.startsWith("mcp_tool_duration_microseconds_bucket") && line.includes(`"${tool}"`));
  const buckets = lines.map((line) => [Number(/le="(\d+)"/.exec(line)?.[1] ?? Infinity), Number(line.split(" ").at(-1))]);
  const rank = share * buckets.at(-1)[1];
  const at = buckets.findIndex(([, total]) => total >= rank);
  const [lower, below] = at ? buckets[at - 1] : [0, 0];
  return lower + ((buckets[at][0] - lower) * (rank - below)) / (buckets[at][1] - below);
}

test("sidecar_without_calls_says_how_to_send_the_first_and_then_shows_it", async () => {
  const tab = await browser.open(sidecar.page);
  await tab.until(`${STATE} === 'empty'`);
  assert.equal(await tab.evaluate(text("name")), "misbehaving");
  assert.equal(await tab.evaluate(text("endpoint")), sidecar.url);
  assert.match(await tab.evaluate(text("command")), new RegExp(`^curl -s ${sidecar.url}`));
  await tab.until(`${text("state-text")} === 'Server reachable'`);

  const client = await Client.connect(sidecar.url);
  await client.request("tools/list");
  for (let n = 0; n < 9; n++) await client.call("echo", { text: "x".repeat(n * 400) });
  await tab.until(`${rows("tools")}.some(([name, calls]) => name === 'echo' && calls === '9')`);
  assert.equal(await tab.evaluate(STATE), "live");
  assert.deepEqual(tab.errors, []);
  await tab.close();
});

test("sidecar_sends_the_built_file_with_its_policy", async () => {
  const response = await fetch(sidecar.page);
  const file = await readFile(new URL("../page.html", import.meta.url), "utf8");
  assert.equal(await response.text(), file);
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(file);
  assert.equal(response.headers.get("content-security-policy"), `${policy}; frame-ancestors 'none'`);
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(response.headers.get("cache-control"), "no-cache");
  assert.equal((await fetch(`${sidecar.page}page.html`)).status, 404);
});

test("numbers_on_the_page_equal_the_scrape", async () => {
  const tab = await browser.open(sidecar.page);
  await tab.until(`${STATE} === 'live' && ${text("rate")} !== '–'`);
  const client = await Client.connect(sidecar.url);
  const calls = [["tool_error", 3], ["error", 2], ["long", 4], ["echo", 5]];
  for (const [tool, n] of calls) {
    for (let call = 0; call < n; call++) await client.call(tool);
  }
  await tab.until(`${rows("tools")}.some(([name, calls]) => name === 'echo' && calls === '14')`);
  // Histograms arrive at a scrape up to a second later than counters, and those of another worker later still.
  const counted = (scrape, tool) => value(scrape, "mcp_tool_duration_microseconds_count", [`tool_name="${tool}"`]);
  const scrape = await scrapeThat((each) => calls.every(([tool, n]) => counted(each, tool) === (tool === "echo" ? 14 : n)));
  const update = await tab.evaluate("performance.getEntriesByName('update').length");
  await tab.until(`performance.getEntriesByName('update').length >= ${update + 2}`);

  const shown = Object.fromEntries((await tab.evaluate(rows("tools"))).map((row) => [row[0], row.slice(1)]));
  for (const [tool, type] of [["echo", ""], ["long", ""], ["tool_error", "tool_error"], ["error", "rpc_error"]]) {
    const labels = [`tool_name="${tool}"`];
    const size = value(scrape, "mcp_tool_result_bytes_sum", labels) / value(scrape, "mcp_tool_result_bytes_count", labels);
    assert.deepEqual(shown[tool], [
      count(value(scrape, "mcp_tool_calls_total", labels)), count(value(scrape, "mcp_tool_calls_total", [...labels, 'status="error"'])),
      type, duration(quantile(scrape, tool, 0.5)), duration(quantile(scrape, tool, 0.95)), bytes(size),
      bytes(value(scrape, "mcp_tool_definition_bytes", labels)),
    ], tool);
  }
  const operations = value(scrape, "mcp_requests_total", []);
  assert.equal(await tab.evaluate(text("operations")), `${count(operations)} since the start`);
  const [client_row] = await tab.evaluate(rows("clients"));
  assert.deepEqual(client_row, ["page-test", count(operations), "5", "2"]);
  const problems = await tab.evaluate(PROBLEMS);
  assert.match(problems[0], /^3 of 3 calls of tool_error failed in the last (?:\d+ s|minute): tool_error$/);
  assert.match(problems[1], /^2 of 2 calls of error failed in the last (?:\d+ s|minute): rpc_error$/);
  assert.deepEqual(tab.errors, []);
  await tab.close();
});

async function scrapeThat(isRight) {
  for (const end = Date.now() + LONGEST * 1000; Date.now() < end; await milliseconds(100)) {
    const scrape = await sidecar.metrics();
    if (isRight(scrape)) return scrape;
  }
  throw new Error("the scrape never was as expected");
}

test("hostile_tool_name_of_a_client_is_text", async () => {
  const tab = await browser.open(sidecar.page);
  const client = await Client.connect(sidecar.url);
  const name = "<script>document.title()</script><b>bold</b>";
  await client.call(name);
  await tab.until(`${rows("tools")}.some(([each]) => each === ${JSON.stringify(name)})`);
  assert.equal(await tab.evaluate("document.querySelectorAll('main b, main script').length"), 0);
  assert.deepEqual(tab.errors, []);
  await tab.close();
});

test("real_sidecar_that_stops_is_gone", async () => {
  const tab = await browser.open(sidecar.page);
  await tab.until(`${STATE} === 'live'`);
  await sidecar.stop();
  await tab.until(`${STATE} === 'gone'`);
  sidecar = await Sidecar.start(sidecar.ports);
  await tab.until(`${STATE} === 'empty'`);
  await tab.close();
});
