// Calls a tool of an MCP server with the AI SDK's client, and prints its text.
//
//   node ai-sdk.mjs URL TOOL ARGUMENTS
import { createMCPClient } from '@ai-sdk/mcp';

const [url, tool, text] = process.argv.slice(2);
const client = await createMCPClient({ transport: { type: 'http', url } });
const tools = await client.tools();
const result = await tools[tool].execute(JSON.parse(text), { toolCallId: '1', messages: [] });
await client.close();
console.log(result.content[0].text);
