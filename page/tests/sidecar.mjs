// A real sidecar on free ports, in front of a program that fails as it is told, and a client of it.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = ["python3", "tests/connector/programs/misbehaving.py"];

export class Sidecar {
  #log = "";

  static async start(ports = null) {
    const sidecar = new Sidecar();
    sidecar.ports = ports ?? [await freePort(), await freePort(), await freePort()];
    const [port, probe, admin] = sidecar.ports;
    sidecar.url = `http://127.0.0.1:${port}/`;
    sidecar.page = `http://127.0.0.1:${probe}/`;
    sidecar.process = spawn(process.env.MCP_SIDECAR, ["run", "--", ...PROGRAM], {
      cwd: root,
      env: { ...process.env, PORT: port, PROBE_PORT: probe, ADMIN_PORT: admin, HOST: "127.0.0.1", MCP_UPSTREAM_NAME: "misbehaving" },
    });
    sidecar.ended = new Promise((resolve) => sidecar.process.on("close", resolve));
    for (const stream of [sidecar.process.stdout, sidecar.process.stderr]) stream.on("data", (data) => (sidecar.#log += data));
    await sidecar.#ready().catch(async (error) => {
      await sidecar.stop();
      throw error;
    });
    return sidecar;
  }

  async #ready() {
    for (const end = Date.now() + 120_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const response = await fetch(`${this.page}ready`).catch(() => null);
      if (response?.status === 200) return;
      if (Date.now() > end || this.process.exitCode !== null) throw new Error(`the sidecar is not ready: ${this.#log}`);
    }
  }

  async metrics() {
    return (await fetch(`${this.page}metrics`)).text();
  }

  async stop() {
    this.process.kill();
    await this.ended;
  }
}

export class Client {
  #id = 0;

  static async connect(url) {
    const client = new Client();
    client.url = url;
    const clientInfo = { name: "page-test", version: "1.0.0" };
    await client.request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    await client.#send({ method: "notifications/initialized" });
    return client;
  }

  call(name, parameters = {}) {
    return this.request("tools/call", { name, arguments: parameters });
  }

  request(method, params = {}) {
    return this.#send({ id: ++this.#id, method, params });
  }

  async #send(message) {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    if (this.session) headers["mcp-session-id"] = this.session;
    const response = await fetch(this.url, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
    this.session ??= response.headers.get("mcp-session-id");
    return response.text();
  }
}
