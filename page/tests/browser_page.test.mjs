// The built page in Chromium, with a /metrics that the tests write.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "./browser.mjs";
import { PROBLEMS, STATE, milliseconds, rows, text } from "./expressions.mjs";
import { manyTools, metrics } from "./simulated.mjs";
import { StandIn } from "./stand_in.mjs";

let browser;
let standIn;

before(async () => {
  browser = await Browser.start();
  standIn = await StandIn.start();
});

after(async () => {
  await browser?.stop();
  await standIn?.stop();
});

test("hostile_label_values_are_text_everywhere", async () => {
  const hostile = '<img src=x onerror=\\"document.body.dataset.broken=1\\">} 9\\n<svg/onload=alert(1)>';
  const read = hostile.replaceAll("\\n", "\n").replaceAll('\\"', '"');
  const page = (n) => `mcp_filter_info{filter_version="${hostile}"} 1
mcp_tool_calls_total{tool_name="${hostile}",server_name="${hostile}",status="error",error_type="${hostile}"} ${n}
mcp_requests_total{method="${hostile}",server_name="${hostile}",status="error",error_type="${hostile}"} ${n}
mcp_client_requests_total{client_name="${hostile}",server_name="${hostile}",status="error"} ${n}
mcp_sessions_active{transport="${hostile}",server_name="${hostile}"} ${n}
mcp_labels_overflowed_total{label="${hostile}",server_name="${hostile}"} ${n}
mcp_requests_total{method="ping",server_name="other",status="ok",error_type=""} ${n}
`;
  standIn.metrics = page(1);
  const tab = await browser.open(standIn.url);
  await tab.until(`${rows("tools")}.length === 1`);
  standIn.metrics = page(3);
  await tab.until(`${PROBLEMS}.length >= 3`);
  assert.equal((await tab.evaluate(rows("tools")))[0][0], read);
  assert.equal((await tab.evaluate(rows("clients")))[0][0], read);
  assert.ok((await tab.evaluate(PROBLEMS)).some((line) => line.includes(read)));
  assert.equal(await tab.evaluate("document.querySelectorAll('img, svg').length"), 0);
  assert.equal(await tab.evaluate("document.body.dataset.broken ?? ''"), "");
  assert.equal(await tab.evaluate("document.getElementById('server').options[1].value"), read);
  assert.deepEqual(tab.errors, []);
  await tab.close();
});

test("sidecar_that_is_gone_is_told_and_a_restart_makes_no_spike", async () => {
  const own = await StandIn.start();
  own.metrics = metrics(100_000);
  const tab = await browser.open(own.url);
  await tab.until(`${STATE} === 'live'`);
  await own.stop();
  await tab.until(`${STATE} === 'gone' && !document.getElementById('gone').hidden`);
  assert.equal(await tab.evaluate(text("state-text")), "Sidecar gone");
  assert.match(await tab.evaluate(text("announcement")), /Sidecar gone/);

  const again = await StandIn.start(own.port);
  again.metrics = metrics(20);
  await tab.until(`${STATE} === 'live' && document.getElementById('gone').hidden`);
  // 20 s of calls, over the seconds without an answer; the counters before were 5000 times as high.
  assert.ok(Number(await tab.evaluate(text("rate"))) < 30, await tab.evaluate(text("rate")));
  await tab.close();
  await again.stop();
});

/** Calls of the tool t of a server. */
const calls = (server, ok, failed) => ["ok", "error"].flatMap((status) => {
  const labels = `server_name="${server}",status="${status}",error_type="${status === "ok" ? "" : "tool_error"}"`;
  const n = status === "ok" ? ok : failed;
  return [`mcp_requests_total{method="tools/call",${labels}} ${n}\n`, `mcp_tool_calls_total{tool_name="t",${labels}} ${n}\n`];
}).join("");

/** Sends some pages one after the other, each until the page has read it. */
async function send(tab, ...pages) {
  for (const page of pages) {
    standIn.metrics = page;
    // The first of two updates may be that of a request before.
    for (let n = 0; n < 2; n++) await tab.evaluate(NEXT_UPDATE);
  }
}

test("neither_series_that_are_back_nor_a_clock_that_is_set_are_traffic", async () => {
  standIn.metrics = calls("w", 1000, 100);
  const tab = await browser.open(standIn.url);
  await tab.until(`${STATE} === 'live'`);
  await send(tab, 'mcp_filter_info{filter_version="0.1.0"} 1\n', calls("w", 1000, 100));
  assert.deepEqual(await tab.evaluate(PROBLEMS), []);
  assert.match(await tab.evaluate(text("calm")), /^No operation ended in the last (?:\d+ s|minute)\.$/);
  await tab.evaluate("{ const { now } = Date; Date.now = () => now() - 3_600_000; }");
  await send(tab, calls("w", 1100, 100));
  assert.match(await tab.evaluate(text("calm")), /^Nothing failed in the last (?:\d+ s|minute): 100 operations\.$/);
  assert.ok(Number(await tab.evaluate(text("rate"))) > 0, await tab.evaluate(text("rate")));
  await tab.close();
});

test("several_servers_are_named_until_one_is_chosen", async () => {
  const page = (n) => `${calls("v", n, 2 * n)}${calls("w", 5 * n, n)}mcp_upstream_available{server_name="v"} 0\n`;
  standIn.metrics = page(1);
  const tab = await browser.open(standIn.url);
  await tab.until(`${STATE} === 'live'`);
  standIn.metrics = page(2);
  await tab.until(`${PROBLEMS}.length === 3`);
  const told = (await tab.evaluate(PROBLEMS)).map((each) => each.replace(/last (?:\d+ s|minute)/, "last …"));
  assert.deepEqual(told, [
    "The MCP server v cannot be reached.", "2 of 3 calls of t at v failed in the last …: tool_error",
    "1 of 6 calls of t at w failed in the last …: tool_error",
  ]);
  const shown = async () => (await tab.evaluate(rows("tools"))).map((row) => row.slice(0, 3));
  assert.deepEqual(await shown(), [["t", "w", "12"], ["t", "v", "6"]]);
  await tab.evaluate("{ const list = document.getElementById('server'); list.value = 'w'; list.dispatchEvent(new Event('change')); }");
  assert.deepEqual(await shown(), [["t", "12", "2"]]);
  await tab.close();
});

test("answer_that_is_no_page_of_metrics_is_not_taken_for_one", async () => {
  const tab = await browser.open(standIn.url);
  for (const other of ["<html><body>Log in</body></html>\n", ""]) {
    standIn.metrics = other;
    await tab.until(`${text("state-text")} === 'No metrics'`);
    standIn.metrics = metrics(600);
    await tab.until(`${STATE} === 'live' && ${text("state-text")} === 'Server reachable'`);
  }
  await tab.close();
});

test("hidden_page_asks_for_nothing", async () => {
  standIn.metrics = metrics(600);
  // What the page asks for is counted there: a request that was sent before may still be on its way.
  const script = "{ const { fetch } = window; window.asked = 0; window.fetch = (...request) => (window.asked++, fetch(...request)); }";
  const tab = await browser.open(standIn.url, { script });
  await tab.until(`${STATE} === 'live'`);
  await tab.hide();
  await tab.until("document.hidden");
  const asked = await tab.evaluate("asked");
  assert.ok(asked > 0);
  await milliseconds(4500);
  assert.equal(await tab.evaluate("asked"), asked);
  await tab.show();
  await tab.until("!document.hidden");
  const update = await tab.evaluate("performance.getEntriesByName('update').length");
  await tab.until(`performance.getEntriesByName('update').length > ${update}`);
  await tab.close();
});

test("of_ten_thousand_series_twenty_rows_are_drawn_until_more_are_asked_for", async (context) => {
  const tools = manyTools(10_000);
  let seconds = 600;
  standIn.metrics = () => metrics((seconds += 2), { tools });
  const tab = await browser.open(standIn.url);
  await tab.until(`${STATE} === 'live'`);
  for (let warm = 0; warm < 3; warm++) await tab.evaluate(NEXT_UPDATE);
  // Printed and not compared, because it depends on the machine: time of the main thread on a processor, with layout and painting.
  await tab.send("Performance.enable", { timeDomain: "threadTicks" });
  const times = [];
  for (let update = 0, before = await mainThread(tab); update < 5; update++) {
    await tab.evaluate(NEXT_UPDATE);
    const now = await mainThread(tab);
    times.push((now - before) * 1000);
    before = now;
  }
  context.diagnostic(`${metrics(600, { tools }).split("\n").length} series: ${times.map((time) => time.toFixed(0)).join(", ")} ms for an update`);
  assert.equal(await tab.evaluate(`${rows("tools")}.length`), 20);
  await tab.evaluate("document.getElementById('tools-more').click()");
  assert.equal(await tab.evaluate(`${rows("tools")}.length`), tools.length);
  await tab.close();
});

/** A promise of the next update. The test does not ask meanwhile, because that takes time of the main thread as well. */
const NEXT_UPDATE = `new Promise((resolve) => {
  const observer = new PerformanceObserver(() => {
    observer.disconnect();
    resolve(true);
  });
  observer.observe({ type: "measure" });
})`;

async function mainThread(tab) {
  const { metrics: all } = await tab.send("Performance.getMetrics");
  return all.find(({ name }) => name === "TaskDuration").value;
}

test("page_fits_three_widths_and_is_used_by_the_keyboard", async () => {
  standIn.metrics = metrics(600);
  const tab = await browser.open(standIn.url);
  await tab.until(`${STATE} === 'live'`);
  for (const width of [1440, 820, 390, 320]) {
    await tab.size(width, 800);
    await tab.until(`innerWidth === ${width}`);
    // The charts follow at the next frame.
    await tab.until(`document.documentElement.scrollWidth === ${width}`);
  }
  const stops = [];
  for (let press = 0; press < 6; press++) {
    await tab.press("Tab");
    stops.push(await tab.evaluate("(({ className, name, textContent }) => className || name || textContent)(document.activeElement)"));
  }
  assert.deepEqual(stops, ["skip", "window", "scroll", "Tool", "Calls", "Failed"]);
  await tab.press("Enter");
  assert.equal(await tab.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')"), "descending");
  assert.equal(await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "solid");
  await tab.close();
});

test("tables_and_landmarks_are_named_for_screen_readers", async () => {
  standIn.metrics = metrics(600);
  const tab = await browser.open(standIn.url);
  await tab.until(`${STATE} === 'live'`);
  await tab.send("Accessibility.enable");
  const { nodes } = await tab.send("Accessibility.getFullAXTree");
  const named = (role) => nodes.filter((node) => !node.ignored && node.role.value === role).map((node) => node.name?.value);
  for (const role of ["banner", "main", "contentinfo", "status"]) assert.equal(named(role).length, 1, role);
  assert.deepEqual(named("table"), ["Tools", "Clients", "Methods"]);
  assert.equal(named("rowheader").length, 7 + 3 + 3);
  assert.equal(named("columnheader").length, 8 + 4 + 5);
  assert.equal(named("image").length, 4);
  assert.ok(named("image").every((name) => name.startsWith("Line chart")));
  await tab.close();
});
