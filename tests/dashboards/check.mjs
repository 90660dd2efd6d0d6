// Holds the dashboards against Grafana's schema (its TypeScript types), what their links and the data
// sources ask against the grammars of LogQL and TraceQL, and the page that draws them against its types:
//
//   node tests/dashboards/check.mjs FOLDER     FOLDER is what prepare.mjs printed first
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const here = import.meta.dirname;
const project = resolve(here, "../..");
const folder = resolve(process.argv[2]);
const grammar = async (name) => (await import(pathToFileURL(join(folder, `node_modules/@grafana/lezer-${name}/index.es.js`)))).parser;
const parsers = { logql: await grammar("logql"), traceql: await grammar("traceql") };
const dashboards = readdirSync(join(project, "dashboards")).filter((file) => file.endsWith(".json"))
  .map((file) => ({ uid: basename(file, ".json"), text: readFileSync(join(project, "dashboards", file), "utf8") }));
const wrong = [];

/** Places that a grammar does not know. */
function errors(language, query) {
  let found = 0;
  parsers[language].parse(query).iterate({ enter: ({ type }) => void (type.isError && (found += 1)) });
  return found;
}

/** Questions of links to Explore: `[language, query]`. */
function asked(json) {
  const urls = [...json.matchAll(/"url": "(\/explore[^"]+)"/g)].map(([, url]) => url);
  return urls.map((url) => {
    const panes = JSON.parse(new URL(url, "http://grafana").searchParams.get("panes"));
    const [{ expr, query }] = panes.a.queries;
    return expr ? ["logql", expr] : ["traceql", query];
  });
}

function grammars() {
  const sources = readFileSync(join(project, "deploy/grafana/provisioning/datasources/mcp.yml"), "utf8");
  // Grafana fills in what stands as $${…} there.
  const ofSources = [...sources.matchAll(/query: '([^']+)'/g)].map(([, query]) => ["logql", query.replace(/\$\$\{[^}]+\}/g, "x")]);
  const all = [...dashboards.flatMap(({ text }) => asked(text)), ...ofSources];
  const different = new Map(all.map((one) => [one.join(" "), one]));
  for (const [language, query] of different.values()) if (errors(language, query)) wrong.push(`no ${language}: ${query}`);
  const count = (wanted) => [...different.values()].filter(([language]) => language === wanted).length;
  if (count("logql") < 10 || count("traceql") < 2 || !ofSources.length) wrong.push("few questions were found in links");
  for (const [language, query] of [["logql", '{a="b"} | json |'], ["traceql", "{ status = && }"]])
    if (!errors(language, query)) wrong.push(`a mistake in ${language} is not seen: ${query}`);
  console.log(`${count("logql")} questions in LogQL and ${count("traceql")} in TraceQL, of ${all.length} links`);
}

/** What the compiler says of the page and of these objects, written down as what the schema calls them. */
function compiled(objects) {
  const checked = join(folder, "checked");
  rmSync(checked, { recursive: true, force: true });
  cpSync(join(here, "page"), checked, { recursive: true });
  for (const { uid, text } of objects)
    writeFileSync(join(checked, `${uid}.json.ts`), `import type { Checked } from "./schema";\nexport const dashboard: Checked = ${text};\n`);
  try {
    execFileSync(join(folder, "node_modules/.bin/tsc"), ["-p", checked], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    return "";
  } catch ({ stdout }) {
    return stdout;
  }
}

/** Dashboards that the schema has to refuse: a key, a word and a type that it does not know. */
function spoilt() {
  const [{ text }] = dashboards;
  const change = (uid, from, to) => ({ uid, text: text.replace(from, to) });
  return [
    change("spoilt-key", '"gridPos"', '"gridPosition"'),
    change("spoilt-word", '"placement": "bottom"', '"placement": "underneath"'),
    change("spoilt-type", '"type": "timeseries"', '"type": "graph"'),
  ];
}

function schema() {
  const said = compiled([...dashboards, ...spoilt()]).split("\n");
  for (const { uid } of spoilt())
    if (!said.some((line) => line.includes(`/${uid}.json.ts`))) wrong.push(`the schema does not refuse ${uid}`);
  wrong.push(...said.filter((line) => line.trim() && !line.startsWith(" ") && !line.includes("/spoilt-")));
  console.log(`${dashboards.length} dashboards as Grafana's schema has them`);
}

grammars();
schema();
for (const fault of wrong) console.error(fault);
process.exit(wrong.length ? 1 : 0);
