// The TypeScript SDK, version 1 and version 2, against a running server: node typescript_clients.mjs MCP_URL -- COMMAND ...
// COMMAND starts a stdio server. Run from a folder whose node_modules has both; see run.sh.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const [mcpUrl, , command, ...args] = process.argv.slice(2);
const sseUrl = mcpUrl.replace(/\/mcp$/, "/sse");
const who = { name: "typescript", version: "1" };

const v1 = {
  ...(await load("@modelcontextprotocol/sdk/client/index.js")),
  ...(await load("@modelcontextprotocol/sdk/client/stdio.js")),
  ...(await load("@modelcontextprotocol/sdk/client/sse.js")),
  ...(await load("@modelcontextprotocol/sdk/client/streamableHttp.js")),
};
const v2 = { ...(await load("@modelcontextprotocol/client")), ...(await load("@modelcontextprotocol/client/stdio")) };

const hello = { model: "nova-lite", messages: [{ role: "user", content: "Hello" }] };

async function use(label, sdk, transport, options, era) {
  const client = new sdk.Client(who, options);
  await client.connect(transport);
  const call = (name, given, more) =>
    sdk === v1
      ? client.callTool({ name, arguments: given }, undefined, more)
      : client.callTool({ name, arguments: given }, more);
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  for (const name of ["generate", "list_models", "get_stats"]) assert.ok(names.includes(name), name);
  const heard = [];
  const answer = await call("generate", { ...hello, cache: "bypass" }, { onprogress: ({ message }) => heard.push(message) });
  assert.ok(!answer.isError, JSON.stringify(answer));
  assert.equal(typeof answer.structuredContent.content, "string");
  assert.ok(answer.structuredContent.content.length > 0);
  assert.equal(heard.join(""), answer.structuredContent.content);
  const refused = await call("generate", { ...hello, model: "nova-por" });
  assert.ok(refused.isError);
  assert.equal(refused.structuredContent.error.code, "model_not_found");
  const wrong = await call("generate", { ...hello, temperature: "hot" });
  assert.equal(wrong.structuredContent.error.field, "temperature");
  await assert.rejects(call("no_such_tool", {}), /-32602|Unknown tool/);
  if (era && client.getNegotiatedProtocolVersion) assert.equal(client.getNegotiatedProtocolVersion(), era);
  const shown = client.getNegotiatedProtocolVersion?.() ?? "";
  await client.close();
  console.log(`ok  ${label} ${shown}`);
}

const env = { ...process.env };
const modern = { versionNegotiation: { mode: "auto" } };
await use("TypeScript SDK 1, /mcp", v1, new v1.StreamableHTTPClientTransport(new URL(mcpUrl)), {});
await use("TypeScript SDK 1, /sse", v1, new v1.SSEClientTransport(new URL(sseUrl)), {});
await use("TypeScript SDK 1, stdio", v1, new v1.StdioClientTransport({ command, args, env }), {});
await use("TypeScript SDK 2, /mcp, default", v2, new v2.StreamableHTTPClientTransport(new URL(mcpUrl)), {}, "2025-11-25");
await use("TypeScript SDK 2, /mcp, auto", v2, new v2.StreamableHTTPClientTransport(new URL(mcpUrl)), modern, "2026-07-28");
await use("TypeScript SDK 2, /sse, default", v2, new v2.SSEClientTransport(new URL(sseUrl)), {}, "2025-11-25");
await use("TypeScript SDK 2, stdio, default", v2, new v2.StdioClientTransport({ command, args, env }), {}, "2025-11-25");
await use("TypeScript SDK 2, stdio, auto", v2, new v2.StdioClientTransport({ command, args, env }), modern, "2026-07-28");
