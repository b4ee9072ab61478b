// The built page in Chromium, as `mcp-sidecar page` serves it for another Envoy.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { Browser } from "./browser.mjs";
import { STATE, rows, text } from "./expressions.mjs";
import { metrics } from "./simulated.mjs";
import { StandIn } from "./stand_in.mjs";

let browser;
let envoy;
let source;
let command;

before(async () => {
  [browser, envoy] = await Promise.all([Browser.start(), StandIn.start()]);
  source = `${envoy.url}metrics`;
  envoy.metrics = 'mcp_filter_info{filter_version="0.1.0"} 1\n';
  command = await Command.start(source);
});

after(async () => {
  await browser?.stop();
  await command?.stop();
  await envoy?.stop();
});

class Command {
  static async start(metrics) {
    const command = new Command();
    command.process = spawn(process.env.MCP_SIDECAR, ["page", "--port", "0", "--metrics", metrics], { stdio: ["ignore", "pipe", "inherit"] });
    command.ended = new Promise((resolve) => command.process.on("close", resolve));
    let output = "";
    for await (const data of command.process.stdout) {
      output += data;
      command.page = /^page +(\S+)\n/m.exec(output)?.[1];
      if (command.page) return command;
    }
    throw new Error(`mcp-sidecar page ended: ${output}`);
  }

  async stop() {
    this.process.kill();
    await this.ended;
  }
}

test("page_of_another_envoy_shows_its_first_calls_and_names_it", async () => {
  const tab = await browser.open(command.page);
  await tab.until(`${STATE} === 'empty'`);
  assert.match(await tab.evaluate(text("empty-text")), /^Nothing has passed through the filter of this Envoy yet/);
  assert.equal(await tab.evaluate("document.getElementById('first-call').hidden"), true);
  envoy.metrics = metrics(600);
  await tab.until(`${STATE} === 'live'`);
  assert.equal((await tab.evaluate(rows("tools"))).length, 7);
  assert.ok((await tab.evaluate(text("version"))).endsWith(`, metrics of ${source}`));
  assert.deepEqual(tab.errors, []);
  await tab.close();
});

test("source_that_does_not_end_its_answer_is_gone_and_not_the_command", async () => {
  envoy.metrics = metrics(600);
  const tab = await browser.open(command.page);
  await tab.until(`${STATE} === 'live'`);
  envoy.metrics = () => new Promise(() => {});
  await tab.until(`${STATE} === 'gone'`);
  assert.equal(await tab.evaluate(text("state-text")), "Source gone");
  await tab.close();
});

test("source_that_is_gone_is_told_apart_from_the_command", async () => {
  envoy.metrics = metrics(600);
  const tab = await browser.open(command.page);
  await tab.until(`${STATE} === 'live'`);
  const port = envoy.port;
  await envoy.stop();
  await tab.until(`${STATE} === 'gone' && ${text("state-text")} === 'Source gone'`);
  // A request that was open at that moment has another reason.
  await tab.until(`${text("gone-text")}.includes('${source}: does not answer (')`);
  envoy = await StandIn.start(port);
  envoy.metrics = metrics(700);
  await tab.until(`${STATE} === 'live'`);
  await command.stop();
  await tab.until(`${STATE} === 'gone' && ${text("state-text")} === 'Page gone'`);
  assert.ok((await tab.evaluate(text("gone-text"))).endsWith(`mcp-sidecar page --metrics ${source}`));
  await tab.close();
});
