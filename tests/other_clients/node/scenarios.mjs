// What both of Node's clients share: node CLIENT.mjs SCENARIO GATEWAY, in the folder with node_modules; QUESTIONS is JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
export const load = async (name) => (await import(pathToFileURL(require.resolve(name)).href)).default;
export const [, , scenario, gateway] = process.argv;
export const asked = JSON.parse(process.env.QUESTIONS);

export const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const NOTHING = { type: "object", properties: {} };
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};
export const RESULTS = { get_weather: asked.rain, get_time: asked.noon };

export async function run(scenarios) {
  if (!(scenario in scenarios)) throw new Error(`no scenario ${scenario}; there are ${Object.keys(scenarios)}`);
  await scenarios[scenario]();
  console.log("ok");
}

// The error that a promise ends with.
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was refused");
}
