// Runs the calls of a plan with one release of the TypeScript SDK and records what their caller sees.
//
//   node refused.mjs PLAN
//
// PLAN is a JSON object: `package` (the SDK's package name), `transport` (streamable_http or http_sse), `url`, `mode` (auto tries
// 2026-07-28 first), `patience` and `steps`. A step is {call, arguments}, {batch, arguments} (two calls in one message) or {wait}, in
// seconds. Prints a JSON list with one entry per call or batch: `outcome` is `ok`, `error` or `hangs` (no answer within `patience`
// seconds). An `error` has `type`, `text`, `code` and `data`, as far as the exception has them.
import { setTimeout as sleep } from 'node:timers/promises';

const plan = JSON.parse(process.argv[2]);

async function load() {
  if (plan.package === '@modelcontextprotocol/client') {
    const sdk = await import('@modelcontextprotocol/client');
    return { ...sdk, options: plan.mode === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {} };
  }
  const { Client } = await import(`${plan.package}/client/index.js`);
  const { StreamableHTTPClientTransport } = await import(`${plan.package}/client/streamableHttp.js`);
  const { SSEClientTransport } = await import(`${plan.package}/client/sse.js`);
  return { Client, StreamableHTTPClientTransport, SSEClientTransport, options: {} };
}

function describe(error) {
  const { code = null, data = null, message } = error;
  return { outcome: 'error', type: error.constructor.name, text: message, code, data };
}

const sdk = await load();
const client = new sdk.Client({ name: 'e2e', version: '1' }, { capabilities: {}, ...sdk.options });
const Transport = plan.transport === 'http_sse' ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
const transport = new Transport(new URL(plan.url));
await client.connect(transport);

// The SDK sends a batch only on the level of the transport.
function batch(name, args) {
  return transport.send([901, 902].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })));
}

async function attempt(step) {
  const running = step.batch ? batch(step.batch, step.arguments) : client.callTool({ name: step.call, arguments: step.arguments });
  const done = running.then(() => ({ outcome: 'ok' }), describe);
  return Promise.race([done, sleep(plan.patience * 1000, { outcome: 'hangs' }, { ref: false })]);
}

const seen = [];
for (const step of plan.steps) {
  if (step.wait) await sleep(step.wait * 1000);
  else seen.push(await attempt(step));
}
console.log(JSON.stringify(seen));
await client.close();
process.exit(0);
