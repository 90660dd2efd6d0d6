// Installs Grafana's front-end parts and builds the page with them, once for each state of the page,
// and prints the folder in which both are:
//
//   node tests/dashboards/prepare.mjs CACHE
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const cache = process.argv[2];
const pins = ["package.json", "package-lock.json"];

const hash = (files) => {
  const all = createHash("sha256");
  for (const file of files) all.update(`${file}\n`).update(readFileSync(join(here, file)));
  return all.digest("hex").slice(0, 16);
};

/** The packages, of 450 MB: made anew only when the lock file is another. */
function install() {
  const folder = join(cache, `grafana-${hash(pins)}`);
  if (existsSync(join(folder, "complete"))) return folder;
  console.error(`installing npm packages pinned in tests/dashboards into ${folder}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const pin of pins) copyFileSync(join(here, pin), join(folder, pin));
  const options = ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"];
  execFileSync("npm", options, { cwd: folder, stdio: ["ignore", 2, 2] });
  writeFileSync(join(folder, "complete"), "");
  return folder;
}

/** The page, as a browser reads it. */
function build(folder) {
  const sources = readdirSync(join(here, "page")).sort().map((file) => join("page", file));
  const [key, mark] = [hash([...sources, "prepare.mjs"]), join(folder, "built")];
  if (existsSync(mark) && readFileSync(mark, "utf8") === key) return;
  for (const made of ["source", "page", "built"]) rmSync(join(folder, made), { recursive: true, force: true });
  // Its imports are looked up from where it stands.
  cpSync(join(here, "page"), join(folder, "source"), { recursive: true });
  const options = ["--bundle", "--format=esm", "--splitting", "--outdir=page", "--loader:.ttf=dataurl", "--jsx=automatic",
    '--define:process.env.NODE_ENV="production"', "--target=es2022", "--log-level=warning"];
  execFileSync("node_modules/.bin/esbuild", ["source/main.tsx", ...options], { cwd: folder, stdio: ["ignore", 2, 2] });
  copyFileSync(join(folder, "source/index.html"), join(folder, "page/index.html"));
  writeFileSync(mark, key);
}

const folder = install();
build(folder);
console.log(folder);
