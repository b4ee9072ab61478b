// Calls a tool of an MCP server with the AI SDK's client, and prints its text.
//
//   node ai-sdk.mjs URL TOOL ARGUMENTS
import { createMCPClient } from '@ai-sdk/mcp';

const [url, tool, text] = process.argv.slice(2);
let opened = Promise.resolve();

// The client requests a stream and sends `initialize` at the same time. A Python server refuses the stream with the id of a session
// that ends with the refusal, and the client uses the id of whichever answer comes last. So this waits for the refusal.
async function fetchInOrder(input, init) {
  if (init.method !== 'GET') {
    await opened;
    return fetch(input, init);
  }
  const response = fetch(input, init);
  opened = response.catch(() => {});
  return response;
}

const client = await createMCPClient({ transport: { type: 'http', url, fetch: fetchInOrder } });
const tools = await client.tools();
const result = await tools[tool].execute(JSON.parse(text), { toolCallId: '1', messages: [] });
await client.close();
console.log(result.content[0].text);
