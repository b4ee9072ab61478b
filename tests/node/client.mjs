// Drives an MCP server with the TypeScript SDK and prints what it saw.
//
//   node client.mjs URL SESSIONS OPERATIONS
//
// OPERATIONS is a JSON list of operations; every session runs all of them, all sessions are open at once.
// Prints a JSON list of {method, name, outcome, progress}.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';

const [url, sessions, operations] = [process.argv[2], Number(process.argv[3]), JSON.parse(process.argv[4])];

async function runOne(client, { method, name = '', arguments: args = {}, progress: wanted }) {
  let progress = 0;
  const options = wanted ? { onprogress: () => { progress += 1; } } : undefined;
  const calls = {
    ping: () => client.ping(),
    'tools/list': () => client.listTools(),
    'resources/list': () => client.listResources(),
    'resources/templates/list': () => client.listResourceTemplates(),
    'prompts/list': () => client.listPrompts(),
    'resources/read': () => client.readResource({ uri: name }),
    'prompts/get': () => client.getPrompt({ name, arguments: args }),
    'tools/call': () => client.callTool({ name, arguments: args }, undefined, options),
  };
  let outcome;
  try {
    const result = await calls[method]();
    outcome = result.isError ? 'tool_error' : 'ok';
  } catch (error) {
    if (!(error instanceof McpError)) throw error;
    outcome = `rpc ${error.code}`;
  }
  return { method, name, outcome, progress };
}

const seen = [];
const opened = [];
for (let i = 0; i < sessions; i += 1) {
  const client = new Client({ name: 'e2e', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  opened.push({ client, transport });
  seen.push({ method: 'initialize', name: '', outcome: 'ok', version: transport.protocolVersion });
}
for (const { client } of opened) {
  for (const operation of operations) seen.push(await runOne(client, operation));
}
for (const { client, transport } of opened) {
  await transport.terminateSession();
  await client.close();
}
console.log(JSON.stringify(seen));
