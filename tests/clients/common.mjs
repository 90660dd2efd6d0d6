// What both TypeScript clients share: the plan they are given, and a count of what they send.
// A plan is JSON in MCP_PLAN: {url, token, era, calls: [{name, arguments}], resources: [uri],
// prompts: [{name, arguments}], pause}. Each script prints one line of JSON. With a `pause`, a file
// name, it does all of it, says so by the file <pause>.done, waits for <pause>.go, and does it again.

import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export const plan = { calls: [], resources: [], prompts: [], ...JSON.parse(process.env.MCP_PLAN) };

// Requests by method, as they went over the wire.
export const sent = {};

export async function countingFetch(url, init) {
  if (init?.method === "POST" && typeof init.body === "string") {
    for (const message of [JSON.parse(init.body)].flat()) {
      if (message.method && message.id !== undefined) sent[message.method] = (sent[message.method] ?? 0) + 1;
    }
  }
  return fetch(url, init);
}

export function transportOptions() {
  const headers = plan.token ? { Authorization: `Bearer ${plan.token}` } : {};
  return { requestInit: { headers }, fetch: countingFetch };
}

// Lists, calls, reads and gets what the plan says.
export async function carryOut(client) {
  const report = await once(client);
  if (!plan.pause) return report;
  writeFileSync(`${plan.pause}.done`, "");
  while (!existsSync(`${plan.pause}.go`)) await sleep(20);
  return { ...report, again: await once(client) };
}

async function once(client) {
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools(cursor ? { cursor } : undefined);
    tools.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor);
  const results = [];
  for (const call of plan.calls) results.push(await client.callTool(call));
  const resources = [];
  for (const uri of plan.resources) resources.push(await client.readResource({ uri }));
  const prompts = [];
  for (const prompt of plan.prompts) prompts.push(await client.getPrompt(prompt));
  return { tools, results, resources, prompts };
}

export function print(report) {
  console.log(JSON.stringify({ ...report, sent }));
}
