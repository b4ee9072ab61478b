// Chromium, driven by its DevTools protocol over pipes: no port, no library.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Limit of all waits, in seconds. Only a failing test waits that long. */
export const LONGEST = 120;

export class Browser {
  #next = 1;
  #waiting = new Map();
  #text = "";

  static async start() {
    const browser = new Browser();
    browser.directory = await mkdtemp(join(tmpdir(), "page-browser-"));
    browser.process = spawn(process.env.CHROMIUM ?? "chromium", [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
      "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
      `--user-data-dir=${browser.directory}`, "about:blank",
    ], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    browser.ended = new Promise((resolve) => browser.process.on("close", resolve));
    browser.process.on("error", (error) => browser.#fail(error));
    browser.ended.then(() => browser.#fail(new Error("Chromium ended")));
    browser.process.stdio[4].on("data", (data) => browser.#read(data.toString()));
    browser.process.stdio[3].on("error", () => {});
    return browser;
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #read(text) {
    this.#text += text;
    const messages = this.#text.split("\0");
    this.#text = messages.pop();
    for (const message of messages.map((each) => JSON.parse(each))) {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) waiting?.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting?.resolve(message.result);
      if (message.method) this.onEvent?.(message);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${method}: no answer of Chromium within ${LONGEST} s`));
      }, LONGEST * 1000);
      const settle = (end) => (value) => {
        clearTimeout(late);
        end(value);
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject), method });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page in a window of its own: a tab behind another is hidden, and the page pauses. `script` runs before the page's. */
  async open(url, { width = 1440, height = 900, scheme = "light", script = null, timezone = null } = {}) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", newWindow: true });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, sessionId, targetId);
    await tab.send("Page.enable");
    await tab.send("Runtime.enable");
    await tab.send("Log.enable");
    await tab.size(width, height);
    await tab.scheme(scheme);
    if (script) await tab.send("Page.addScriptToEvaluateOnNewDocument", { source: script });
    if (timezone) await tab.send("Emulation.setTimezoneOverride", { timezoneId: timezone });
    const previous = this.onEvent;
    this.onEvent = (event) => (event.sessionId === sessionId ? tab.onEvent(event) : previous?.(event));
    await tab.send("Page.navigate", { url });
    return tab;
  }

  async stop() {
    this.process.kill();
    await this.ended;
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Tab {
  /** Errors of the console, exceptions and violations of the policy. */
  errors = [];

  constructor(browser, sessionId, targetId) {
    Object.assign(this, { browser, sessionId, targetId });
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  onEvent({ method, params }) {
    if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") this.errors.push(params.entry.text);
  }

  size(width, height) {
    return this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  }

  scheme(value) {
    return this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
  }

  /** Minimises the window. */
  async hide() {
    await this.#window("minimized");
  }

  async show() {
    await this.#window("normal");
  }

  async #window(windowState) {
    const { windowId } = await this.browser.send("Browser.getWindowForTarget", { targetId: this.targetId });
    await this.browser.send("Browser.setWindowBounds", { windowId, bounds: { windowState } });
  }

  async press(key) {
    const code = { Tab: 9, Enter: 13 }[key];
    const event = { key, code: key, windowsVirtualKeyCode: code, text: key === "Enter" ? "\r" : undefined };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression, seconds = LONGEST) {
    for (const end = Date.now() + seconds * 1000; ; ) {
      const value = await this.evaluate(expression).catch(() => null);
      if (value) return value;
      if (Date.now() > end) {
        throw new Error(`not true within ${seconds} s: ${expression}\nerrors: ${this.errors}\npage: ${await this.evaluate("document.body.innerText")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The whole page as a PNG. */
  async picture() {
    const { cssContentSize: { width, height } } = await this.send("Page.getLayoutMetrics");
    await this.size(width, height);
    await this.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }

  close() {
    return this.browser.send("Target.closeTarget", { targetId: this.targetId });
  }
}
