// Runs a plan against an MCP server with one release of the TypeScript SDK, and prints the outcomes.
//
//   node client.mjs PLAN
//
// PLAN is a JSON object: `package` (the SDK's package name), `transport` (streamable_http or http_sse), `url`,
// `mode` (auto tries 2026-07-28 first), `sessions`, and `operations`. Every session runs all operations; all
// sessions are open at the same time. With `command`, a list of words, instead of `transport` and `url`, each session starts
// this server on standard input and output. Prints a JSON list of {method, name, outcome, progress}.
const plan = JSON.parse(process.argv[2]);
const sdk = await (plan.package === '@modelcontextprotocol/client' ? secondGeneration() : firstGeneration(plan.package));

// The major versions of the SDK have other module paths, and other names for handlers.
async function firstGeneration(name) {
  const { Client } = await import(`${name}/client/index.js`);
  const { StreamableHTTPClientTransport } = await import(`${name}/client/streamableHttp.js`);
  const { SSEClientTransport } = await import(`${name}/client/sse.js`);
  const { StdioClientTransport } = await import(`${name}/client/stdio.js`);
  const types = await import(`${name}/types.js`);
  return {
    Client, StreamableHTTPClientTransport, SSEClientTransport, StdioClientTransport, RpcError: types.McpError,
    options: {},
    elicits: 'ElicitRequestSchema' in types,
    sampling: types.CreateMessageRequestSchema, roots: types.ListRootsRequestSchema, elicitation: types.ElicitRequestSchema,
    callTool: (client, params, options) => client.callTool(params, undefined, options),
  };
}

async function secondGeneration() {
  const { Client, StreamableHTTPClientTransport, SSEClientTransport, ProtocolError } = await import('@modelcontextprotocol/client');
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  return {
    Client, StreamableHTTPClientTransport, SSEClientTransport, StdioClientTransport, RpcError: ProtocolError,
    options: plan.mode === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {},
    elicits: true,
    sampling: 'sampling/createMessage', roots: 'roots/list', elicitation: 'elicitation/create',
    callTool: (client, params, options) => client.callTool(params, options),
  };
}

async function open() {
  const capabilities = { sampling: {}, roots: {}, ...(sdk.elicits && { elicitation: {} }) };
  const client = new sdk.Client({ name: 'e2e', version: '1' }, { capabilities, ...sdk.options });
  const session = { client };
  session.rootsTold = new Promise((resolve) => { session.tellRoots = resolve; });
  client.setRequestHandler(sdk.sampling, ({ params }) => {
    const { text } = [params.messages[0].content].flat()[0];
    if (text.includes('refuse')) throw new sdk.RpcError(-1, 'this model is refused');
    return { model: 'm', role: 'assistant', content: { type: 'text', text: 'an answer' } };
  });
  client.setRequestHandler(sdk.roots, () => {
    session.tellRoots();
    return { roots: [{ uri: 'file:///here', name: 'here' }] };
  });
  if (sdk.elicits) client.setRequestHandler(sdk.elicitation, () => ({ action: 'decline' }));
  if (plan.command) {
    const [command, ...args] = plan.command;
    session.transport = new sdk.StdioClientTransport({ command, args });
  } else {
    const Transport = plan.transport === 'http_sse' ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
    session.transport = new Transport(new URL(plan.url));
  }
  await client.connect(session.transport);
  return session;
}

async function runOne(session, { method, name = '', arguments: args = {}, progress: wanted, cancel }) {
  const { client } = session;
  let progress = 0;
  const stop = new AbortController();
  const options = {};
  if (wanted) {
    options.onprogress = () => {
      progress += 1;
      if (cancel) stop.abort('no longer needed');
    };
  }
  if (cancel) options.signal = stop.signal;
  const calls = {
    ping: () => client.ping(),
    'tools/list': () => client.listTools(),
    'resources/list': () => client.listResources(),
    'resources/templates/list': () => client.listResourceTemplates(),
    'prompts/list': () => client.listPrompts(),
    'resources/read': () => client.readResource({ uri: name }),
    'prompts/get': () => client.getPrompt({ name, arguments: args }),
    'tools/call': () => sdk.callTool(client, { name, arguments: args }, options),
  };
  let outcome;
  try {
    const running = calls[method]();
    if (cancel && !wanted) {
      // The server does not confirm that the call has arrived. A ping that was sent after it has a response.
      running.catch(() => {});
      await client.ping();
      stop.abort('no longer needed');
    }
    const result = await running;
    outcome = result.isError ? 'tool_error' : 'ok';
  } catch (error) {
    if (stop.signal.aborted) outcome = 'cancelled';
    else if (error instanceof sdk.RpcError) outcome = `rpc ${error.code}`;
    else throw error;
  }
  return { method, name, outcome, progress };
}

const seen = [];
const opened = [];
for (let i = 0; i < plan.sessions; i += 1) opened.push(await open());
for (const session of opened) {
  for (const operation of plan.operations) {
    if (operation.method === 'await') await session.rootsTold;
    else seen.push(await runOne(session, operation));
  }
}
for (const { client, transport } of opened) {
  if (transport.terminateSession) await transport.terminateSession();
  await client.close();
}
console.log(JSON.stringify(seen));
