// OpenAI's client for Node, unchanged, at /v1.
import assert from "node:assert/strict";
import { asked, CITY, failure, gateway, load, NOTHING, RESULTS, run, WEATHER } from "./scenarios.mjs";

const OpenAI = await load("openai");
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "any", maxRetries: 0 });
const completions = client.chat.completions;
const user = (content) => ({ role: "user", content });
const tool = (name, parameters) => ({ type: "function", function: { name, parameters } });
const TOOLS = [tool("get_weather", CITY), tool("get_time", NOTHING)];

async function completion(stream, body) {
  return stream ? completions.stream(body).finalChatCompletion() : completions.create(body);
}
const message = async (stream, body) => (await completion(stream, body)).choices[0].message;
const results = (first) =>
  first.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: RESULTS[call.function.name] }));

const plain = (stream) => async () => {
  const options = stream ? { stream_options: { include_usage: true } } : {};
  const answer = await completion(stream, { model: asked.plain_model, messages: [user(asked.hello)], ...options });
  assert.equal(answer.choices[0].message.content, "Good morning.");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.ok(answer.usage.total_tokens > 0);
};

const oneTool = (stream) => async () => {
  for (const model of [asked.plain_model, asked.adaptive_model]) {
    const body = { model, tools: [TOOLS[0]], messages: [user(asked.one_tool)] };
    const first = await message(stream, body);
    assert.equal(first.tool_calls.length, 1);
    assert.deepEqual(JSON.parse(first.tool_calls[0].function.arguments), { city: "Paris" });
    const second = await message(stream, { ...body, messages: [...body.messages, first, ...results(first)] });
    assert.ok(second.content.includes(asked.rain));
    const turns = [...body.messages, first, ...results(first), second, user(asked.hello)];
    assert.equal((await message(stream, { ...body, messages: turns })).content, "Good morning.");
  }
};

const twoTools = (stream) => async () => {
  const body = { model: asked.adaptive_model, tools: TOOLS, messages: [user(asked.all_tools)] };
  const first = await message(stream, body);
  assert.deepEqual(first.tool_calls.map((call) => call.function.name), ["get_weather", "get_time"]);
  const second = await message(stream, { ...body, messages: [...body.messages, first, ...results(first)] });
  assert.ok(second.content.includes(asked.rain) && second.content.includes(asked.noon));
};

const schema = (stream) => async () => {
  for (const model of [asked.plain_model, asked.thinking_model]) {
    const json_schema = { name: "weather", schema: WEATHER, strict: true };
    const response_format = { type: "json_schema", json_schema };
    const told = JSON.parse((await message(stream, { model, messages: [user("The weather?")], response_format })).content);
    assert.deepEqual([typeof told.city, typeof told.degrees], ["string", "number"]);
  }
};

// The stream's collector keeps the last piece of a member that it does not know; signed thoughts must survive that.
const thoughts = (stream) => async () => {
  for (const model of [asked.thinking_model, asked.adaptive_model]) {
    const body = { model, tools: [TOOLS[0]], reasoning_effort: "high", max_tokens: 20000, messages: [user(asked.one_tool)] };
    const first = await message(stream, body);
    assert.ok(first.reasoning_details[0].signature);
    const answer = await completion(stream, { ...body, messages: [...body.messages, first, ...results(first)] });
    assert.ok(answer.choices[0].message.content.includes(asked.rain));
    assert.ok(answer.choices[0].message.reasoning_details[0].signature, "thinking must go on");
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
    const url = `data:image/png;base64,${asked.png}`;
    const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
    await message(false, { model: asked.plain_model, messages: [user(content)] });
  },

  async refusals() {
    for (const [name, [status, code]] of Object.entries(asked.refusals))
      for (const stream of [false, true]) {
        const body = { model: asked.plain_model, messages: [user(`[[fault:${name}]] Hello`)], stream };
        const error = await failure(completions.create(body));
        assert.ok(error instanceof OpenAI.APIError);
        assert.deepEqual([error.status, error.code], [status, code], name);
        assert.ok(error.requestID);
      }
  },

  async cuts() {
    for (const name of asked.cuts) {
      const body = { model: asked.plain_model, messages: [user(`[[fault:${name}]] Hello`)] };
      const error = await failure(completion(true, body));
      assert.match(error.code ?? error.error?.code, /^upstream_(stream|protocol)_error$/, name);
    }
  },
});
