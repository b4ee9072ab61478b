// Finds the transport of an MCP server as the specification describes, lists its tools, and prints the status of the first POST.
//
//   node probe.mjs PLAN
//
// PLAN is a JSON object: `package` (the SDK's package name) and `url`.
const plan = JSON.parse(process.argv[2]);
const { Client } = await import(`${plan.package}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${plan.package}/client/streamableHttp.js`);
const { SSEClientTransport } = await import(`${plan.package}/client/sse.js`);

async function connect(Transport) {
  const client = new Client({ name: 'e2e', version: '1' });
  await client.connect(new Transport(new URL(plan.url)));
  return client;
}

let refused;
try {
  await connect(StreamableHTTPClientTransport);
} catch (error) {
  refused = error.code;
}
const client = await connect(SSEClientTransport);
await client.listTools();
await client.close();
console.log(refused);
