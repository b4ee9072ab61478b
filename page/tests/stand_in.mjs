// A server that sends the built page with a sidecar's policy, and a /metrics that a test writes, as text or as a function of the URL.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.mjs";

const PAGE = fileURLToPath(new URL("../page.html", import.meta.url));

export class StandIn {
  metrics = "";

  static async start(port = null) {
    const standIn = new StandIn();
    const page = await readFile(PAGE, "utf8");
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)[1];
    standIn.server = createServer(async (request, response) => {
      const url = new URL(request.url, "http://stand-in");
      if (url.pathname === "/") {
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.setHeader("content-security-policy", policy);
        response.end(page);
      } else if (url.pathname === "/metrics") {
        response.end(typeof standIn.metrics === "function" ? await standIn.metrics(url) : standIn.metrics);
      } else {
        response.statusCode = 404;
        response.end();
      }
    });
    const chosen = port ?? (await freePort());
    await new Promise((resolve) => standIn.server.listen(chosen, "127.0.0.1", resolve));
    standIn.port = standIn.server.address().port;
    standIn.url = `http://127.0.0.1:${standIn.port}/`;
    return standIn;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
