// From what llvm-cov saw (all.info, in the folder named) to the table of lines reached, by crate, by
// module and by file. Writes lcov.info and uncovered.txt beside it, and fails below the aim.
// Lines count that ship: those of src/ outside tests.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const AIM = 90;
const WORST = 15;
const folder = process.argv[2];

// Lines that are left out although they ship, each with its reason.
const LEFT_OUT = [];

// Which files of src/ are tests as a whole, by their place.
const TESTS = /^src\/[^/]+\/(tests|examples)\//;

/** The files under a folder. */
function files(place) {
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

/** Where the text of `mod name;`, said in that file, may lie. */
function places(file, name, said) {
  if (said) return [join(dirname(file), said)];
  const stem = file.replace(/\.rs$/, "");
  const home = /\/(mod|lib|main)$/.test(stem) ? dirname(file) : stem;
  return [join(home, `${name}.rs`), join(home, name)];
}

/** The parts of a file that only tests see: lines of its own, and other files. */
function testsOf(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const own = new Set();
  const others = [];
  for (let at = 0; at < lines.length; at++) {
    const indent = lines[at].match(/^( *)#\[cfg\(test\)\]$/)?.[1];
    if (indent === undefined) continue;
    let item = at + 1;
    let said;
    for (; lines[item].trim().startsWith("#["); item++) said = lines[item].match(/#\[path = "(.+)"\]/)?.[1] ?? said;
    const name = lines[item].match(/\bmod (\w+);$/)?.[1];
    if (name) others.push(...places(file, name, said));
    let end = item;
    while (!/[;,}]$/.test(lines[end]) || !lines[end].startsWith(indent) || /^ /.test(lines[end].slice(indent.length))) end++;
    for (let line = at; line <= end; line++) own.add(line + 1);
    at = end;
  }
  return { own, others };
}

/** What llvm-cov saw of each file: its lines and how often each was reached. */
function seen(text) {
  const found = new Map();
  let lines;
  for (const line of text.split("\n")) {
    if (line.startsWith("SF:")) found.set(relative(process.cwd(), line.slice(3)), (lines = new Map()));
    const [, number, count] = line.match(/^DA:(\d+),(\d+)/) ?? [];
    if (number) lines.set(Number(number), Number(count));
  }
  return found;
}

/** What ships of it: without tests, and without what is left out. */
function shipped(found) {
  const sources = files("src").filter((file) => file.endsWith(".rs"));
  const tests = new Map(sources.map((file) => [file, testsOf(file)]));
  const others = [...tests.values()].flatMap((test) => test.others);
  const isTest = (file) => TESTS.test(file) || others.some((other) => file === other || file.startsWith(`${other}/`));
  const kept = new Map();
  for (const file of sources.filter((file) => !isTest(file) && found.has(file)).sort()) {
    if (LEFT_OUT.some(([pattern]) => pattern.test(file))) continue;
    const lines = [...found.get(file)].filter(([line]) => !tests.get(file).own.has(line));
    if (lines.length > 0) kept.set(file, lines.sort(([a], [b]) => a - b));
  }
  return kept;
}

/** `12-15 20`: the lines that nothing reached. */
function ranges(lines) {
  const missed = [];
  let last;
  for (const [line, count] of lines) {
    if (count === 0 && last) last.to = line;
    else if (count === 0) missed.push((last = { from: line, to: line }));
    else last = undefined;
  }
  return missed.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(" ");
}

/** The crate of a file, and its module there. */
function home(file) {
  const parts = file.replace(/\.rs$/, "").split("/").slice(1);
  const crate = existsSync(`src/${parts[0]}/Cargo.toml`) ? parts[0] : "binary";
  const module = parts[crate === "binary" ? 0 : 1];
  return { crate, module: `${crate}/${module}` };
}

class Sum {
  lines = 0;
  reached = 0;
  add(lines) {
    this.lines += lines.length;
    this.reached += lines.filter(([, count]) => count > 0).length;
  }
  get missed() {
    return this.lines - this.reached;
  }
  get share() {
    return (100 * this.reached) / this.lines;
  }
  row(name) {
    return `${name.padEnd(44)} ${String(this.lines).padStart(7)} ${String(this.missed).padStart(9)} ${this.share.toFixed(2).padStart(8)} %`;
  }
}

function sums(kept, key) {
  const by = new Map();
  for (const [file, lines] of kept) {
    const name = key(file);
    if (!by.has(name)) by.set(name, new Sum());
    by.get(name).add(lines);
  }
  return by;
}

const kept = shipped(seen(readFileSync(join(folder, "all.info"), "utf8")));
const total = new Sum();
for (const lines of kept.values()) total.add(lines);
const head = (name) => `\n${name.padEnd(44)} ${"lines".padStart(7)} ${"unreached".padStart(9)} ${"reached".padStart(10)}`;
const modules = [...sums(kept, (file) => home(file).module)];
for (const [crate, sum] of sums(kept, (file) => home(file).crate)) {
  console.log(head("crate, and its modules"));
  console.log(sum.row(crate));
  for (const [name, part] of modules.filter(([name]) => name.startsWith(`${crate}/`))) console.log(part.row(`  ${name}`));
}
const worst = [...sums(kept, (file) => file)].sort(([, a], [, b]) => b.missed - a.missed).slice(0, WORST);
console.log(head(`the ${WORST} files with most lines unreached`));
for (const [file, sum] of worst) console.log(sum.row(file));
for (const [pattern, reason] of LEFT_OUT) console.log(`left out: ${pattern.source}: ${reason}`);
const missed = [...kept].map(([file, lines]) => [file, ranges(lines)]).filter(([, text]) => text);
writeFileSync(join(folder, "uncovered.txt"), missed.map(([file, text]) => `${file}: ${text}\n`).join(""));
writeFileSync(
  join(folder, "lcov.info"),
  [...kept]
    .map(([file, lines]) => `SF:${file}\n${lines.map(([line, count]) => `DA:${line},${count}\n`).join("")}end_of_record\n`)
    .join(""),
);
console.log(`\nuncovered lines: ${folder}/uncovered.txt; pages: ${folder}/html/index.html; also lcov.info`);
const verdict = total.share >= AIM ? "enough" : "too few";
console.log(`${total.row("all that ships")}: ${verdict}, ${AIM} % are asked for`);
process.exitCode = total.share >= AIM ? 0 : 1;
