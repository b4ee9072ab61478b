// Posts the same message several times with Node's fetch, as the TypeScript SDKs do, and prints the statuses.
//
//   node post.mjs URL COUNT
const [url, count] = process.argv.slice(2);
const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'e2e', version: '1' } };
const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const statuses = [];
for (let i = 0; i < Number(count); i += 1) {
  const response = await fetch(url, { method: 'POST', headers, body });
  await response.text();
  statuses.push(response.status);
}
console.log(JSON.stringify(statuses));
