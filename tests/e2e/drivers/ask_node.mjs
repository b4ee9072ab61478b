// Posts an `initialize` so many times with Node's fetch, and prints the statuses.
//
//   ask_node.mjs URL COUNT

const [url, count] = process.argv.slice(2);
const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const params = { protocolVersion: "2025-11-25", capabilities: {} };
const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
for (let asked = 0; asked < Number(count); asked += 1) {
  const response = await fetch(url, { method: "POST", headers, body });
  await response.text();
  console.log(response.status);
}
