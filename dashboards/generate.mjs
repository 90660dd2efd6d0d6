// Writes the dashboards from `source`.
//
//   node dashboards/generate.mjs           write them
//   node dashboards/generate.mjs --check   fail if what is there is something else
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { calls } from "./source/calls.mjs";
import { connections } from "./source/connections.mjs";
import { lab } from "./source/lab.mjs";
import { reliability } from "./source/reliability.mjs";
import { runtime } from "./source/runtime.mjs";
import { upstreams } from "./source/upstreams.mjs";

const check = process.argv.includes("--check");
const stale = [];
for (const dashboard of [reliability, connections, calls, upstreams, lab, runtime]) {
  const file = fileURLToPath(new URL(`./${dashboard.uid}.json`, import.meta.url));
  const text = `${JSON.stringify(dashboard, null, 2)}\n`;
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) stale.push(file);
}
if (stale.length) {
  console.error(`not what dashboards/source makes: ${stale.join(", ")}; run node dashboards/generate.mjs`);
  process.exit(1);
}
