// Installs Grafana's front-end parts and builds the page with them, once for each state of either, and
// prints the folder of the packages and that of the page:
//
//   node tests/dashboards/prepare.mjs CACHE
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const cache = process.argv[2];
const pins = ["package.json", "package-lock.json"];
/** How many states of the page are kept: those of other branches are not made anew each time. */
const KEPT = 6;
/** What was used within this, in milliseconds, is used still: another run may draw from it. */
const IN_USE = 3_600_000;

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

/** The page, as a browser reads it: one folder for each state of its sources. */
function build(folder) {
  const sources = readdirSync(join(here, "page")).sort().map((file) => join("page", file));
  const pages = join(folder, "pages");
  const page = join(pages, hash([...sources, "prepare.mjs"]));
  if (isThere(page)) return page;
  mkdirSync(pages, { recursive: true });
  tidy(folder, (name) => name.startsWith("making-"), 0);
  const making = mkdtempSync(join(folder, "making-"));
  try {
    make(folder, making);
    keep(join(making, "page"), page);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  tidy(pages, () => true, KEPT);
  return page;
}

function make(folder, making) {
  // Its imports are looked up from where it stands.
  cpSync(join(here, "page"), join(making, "source"), { recursive: true });
  const options = ["--bundle", "--format=esm", "--splitting", "--outdir=page", "--loader:.ttf=dataurl", "--jsx=automatic",
    '--define:process.env.NODE_ENV="production"', "--target=es2022", "--minify", "--log-level=warning"];
  execFileSync(join(folder, "node_modules/.bin/esbuild"), ["source/main.tsx", ...options], { cwd: making, stdio: ["ignore", 2, 2] });
  copyFileSync(join(making, "source/index.html"), join(making, "page/index.html"));
}

/** Whole or not at all; whoever was faster has made the same. */
function keep(made, page) {
  try {
    renameSync(made, page);
  } catch (error) {
    if (!isThere(page)) throw error;
  }
}

/** Whether a page is there. If so it is used now. */
function isThere(page) {
  try {
    utimesSync(page, new Date(), new Date());
    return true;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

/** Removes what nobody uses among these, but for the newest few. */
function tidy(folder, isMeant, kept) {
  const used = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const all = readdirSync(folder).filter(isMeant).map((name) => join(folder, name)).map((path) => ({ path, used: used(path) }));
  const old = all.sort((one, other) => other.used - one.used).slice(kept).filter((one) => Date.now() - one.used > IN_USE);
  for (const { path } of old) rmSync(path, { recursive: true, force: true });
}

const folder = install();
console.log(`${folder}\n${build(folder)}`);
