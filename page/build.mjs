// Builds page/page.html, the one file that the sidecar serves, from page/src.
//
//   node page/build.mjs            writes it
//   node page/build.mjs --check    fails if it is stale
//
// Scripts and styles stand in the file. The Content-Security-Policy allows them by their hashes, and nothing else but /metrics. The
// sidecar sends the same policy as a header, which it reads from the file's <meta>.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const LIMIT = 150_000;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const read = (name) => readFile(path(name), "utf8");

async function bundle(name) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [path(name)], bundle: true, minify: true, write: false, format: "iife", target: "es2022", charset: "utf8",
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

function hash(text) {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

async function build() {
  const licence = `/* uPlot:\n${(await read("node_modules/uplot/LICENSE")).trim()}\n*/\n`;
  const script = licence + (await bundle("src/main.js"));
  const style = (await bundle("src/all.css")).trim();
  const policy = [
    "default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`, "connect-src 'self'", "img-src data:",
    "base-uri 'none'", "form-action 'none'",
  ].join("; ");
  const parts = { policy, style, script };
  return (await read("src/index.html")).replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
}

const page = await build();
const size = Buffer.byteLength(page);
if (size >= LIMIT) {
  console.error(`page/page.html has ${size} bytes; allowed are ${LIMIT}`);
  process.exit(1);
}
if (!process.argv.includes("--check")) {
  await writeFile(path("page.html"), page);
  console.error(`page/page.html: ${size} bytes`);
} else if ((await read("page.html").catch(() => "")) !== page) {
  console.error("page/page.html is stale; `scripts/build-page.sh` writes it");
  process.exit(1);
}
