// Anthropic's client for Node, unchanged, at /v1/messages.
import assert from "node:assert/strict";
import { asked, CITY, failure, gateway, load, NOTHING, RESULTS, run, WEATHER } from "./scenarios.mjs";

const Anthropic = await load("@anthropic-ai/sdk");
const client = new Anthropic({ baseURL: gateway, apiKey: "any", maxRetries: 0 });
const user = (content) => ({ role: "user", content });
const TOOLS = [
  { name: "get_weather", input_schema: CITY },
  { name: "get_time", input_schema: NOTHING },
];

async function message(stream, asks) {
  const body = { max_tokens: 1000, ...asks };
  return stream ? client.messages.stream(body).finalMessage() : client.messages.create(body);
}
const text = (answer) => answer.content.filter((block) => block.type === "text").map((block) => block.text).join("");
const calls = (answer) => answer.content.filter((block) => block.type === "tool_use");
const turns = (body, first) => [
  ...body.messages,
  { role: "assistant", content: first.content },
  user(calls(first).map((call) => ({ type: "tool_result", tool_use_id: call.id, content: RESULTS[call.name] }))),
];

const plain = (stream) => async () => {
  const answer = await message(stream, { model: asked.plain_model, system: "Be brief.", messages: [user(asked.hello)] });
  assert.equal(text(answer), "Good morning.");
  assert.equal(answer.stop_reason, "end_turn");
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
};

const oneTool = (stream) => async () => {
  for (const model of [asked.plain_model, asked.adaptive_model]) {
    const body = { model, tools: [TOOLS[0]], messages: [user(asked.one_tool)] };
    const first = await message(stream, body);
    assert.deepEqual(calls(first).map((call) => call.input), [{ city: "Paris" }]);
    const second = await message(stream, { ...body, messages: turns(body, first) });
    assert.ok(text(second).includes(asked.rain));
    const more = [...turns(body, first), { role: "assistant", content: second.content }, user(asked.hello)];
    assert.equal(text(await message(stream, { ...body, messages: more })), "Good morning.");
  }
};

const twoTools = (stream) => async () => {
  const body = { model: asked.adaptive_model, tools: TOOLS, messages: [user(asked.all_tools)] };
  const first = await message(stream, body);
  assert.deepEqual(calls(first).map((call) => call.name), ["get_weather", "get_time"]);
  const second = await message(stream, { ...body, messages: turns(body, first) });
  assert.ok(text(second).includes(asked.rain) && text(second).includes(asked.noon));
};

const schema = (stream) => async () => {
  for (const model of [asked.plain_model, asked.thinking_model]) {
    const output_config = { format: { type: "json_schema", schema: WEATHER } };
    const told = JSON.parse(text(await message(stream, { model, messages: [user("The weather?")], output_config })));
    assert.deepEqual([typeof told.city, typeof told.degrees], ["string", "number"]);
  }
};

const thoughts = (stream) => async () => {
  for (const [model, thinking] of [
    [asked.thinking_model, { type: "enabled", budget_tokens: 2000 }],
    [asked.adaptive_model, { type: "adaptive" }],
  ]) {
    const body = { model, thinking, max_tokens: 8000, tools: [TOOLS[0]], messages: [user(asked.one_tool)] };
    const first = await message(stream, body);
    assert.ok(first.content[0].thinking && first.content[0].signature);
    const second = await message(stream, { ...body, messages: turns(body, first) });
    assert.ok(text(second).includes(asked.rain));
    assert.equal(second.content[0].type, "thinking", "thinking must go on");
  }
};

await run({
  plain: plain(false),
  plain_stream: plain(true),
  one_tool: oneTool(false),
  one_tool_stream: oneTool(true),
  two_tools: twoTools(false),
  two_tools_stream: twoTools(true),
  schema: schema(false),
  schema_stream: schema(true),
  thoughts: thoughts(false),
  thoughts_stream: thoughts(true),

  async picture() {
    const source = { type: "base64", media_type: "image/png", data: asked.png };
    const content = [{ type: "text", text: "What is this?" }, { type: "image", source }];
    await message(false, { model: asked.plain_model, messages: [user(content)] });
  },

  async refusals() {
    for (const [name, [status, code]] of Object.entries(asked.refusals))
      for (const stream of [false, true]) {
        const body = { model: asked.plain_model, messages: [user(`[[fault:${name}]] Hello`)], max_tokens: 100, stream };
        const error = await failure(client.messages.create(body));
        assert.ok(error instanceof Anthropic.APIError);
        assert.deepEqual([error.status, error.error.error.code], [status, code], name);
        assert.ok(error.requestID);
      }
  },

  async cuts() {
    for (const name of asked.cuts) {
      const body = { model: asked.plain_model, messages: [user(`[[fault:${name}]] Hello`)] };
      const error = await failure(message(true, body));
      assert.ok(error instanceof Anthropic.APIError, name);
    }
  },
});
