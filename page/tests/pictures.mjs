// Writes pictures of the built page: node page/tests/pictures.mjs DIRECTORY
//
// The page sees ten minutes pass: its clock advances by two seconds with each scrape, its timers do not wait, and the stand-in
// counts by that clock.

import { writeFile } from "node:fs/promises";
import { Browser } from "./browser.mjs";
import { metrics } from "./simulated.mjs";
import { StandIn } from "./stand_in.mjs";

const SECONDS = 640;
/** A little before the end a tool begins to fail. */
const INCIDENT = 3600 + SECONDS - 50;
const END = Date.parse("2026-11-29T14:20:00Z");
const CLOCK = `{
  let seconds = 0;
  const { fetch, setTimeout } = window;
  window.isOver = () => seconds === ${SECONDS};
  window.fetch = (url, options) => fetch(url + "?seconds=" + (3600 + (seconds += 2)), options);
  window.setTimeout = (call) => (window.isOver() ? 0 : setTimeout(call, 0));
  performance.now = () => seconds * 1000;
  Date.now = () => ${END} - (${SECONDS} - seconds) * 1000;
}`;

const [directory] = process.argv.slice(2);
const standIn = await StandIn.start();
standIn.metrics = (url) => metrics(Number(url.searchParams.get("seconds")), { incident: INCIDENT });
const browser = await Browser.start();
try {
  for (const [width, height] of [[390, 844], [820, 1180], [1440, 900]]) {
    for (const scheme of ["light", "dark"]) {
      const tab = await browser.open(standIn.url, { width, height, scheme, script: CLOCK, timezone: "UTC" });
      await tab.until("isOver()");
      await tab.until("document.querySelectorAll('#problems li').length > 0");
      await writeFile(`${directory}/page-${width}-${scheme}.png`, await tab.picture());
      await tab.close();
    }
  }
} finally {
  await browser.stop();
  await standIn.stop();
}
