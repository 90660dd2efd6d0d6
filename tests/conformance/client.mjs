// Has the suite judge our client library, in both revisions:
//
//   cargo build --examples && node client.mjs PROGRAM [FOLDER]
//
// PROGRAM is src/client/examples/conformance.rs, built; `conformance` must be on PATH. Runs every scenario that a revision
// requires of clients, but for those in `leftOut`, which it prints by name with the reason. Exits 0
// if every check of every other scenario passed.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [program, kept] = process.argv.slice(2);
const folder = kept ?? mkdtempSync(join(tmpdir(), 'conformance-client-'));

// Every scenario left out is named on this page too.
const page = readFileSync(new URL('../../docs/upstreams.md', import.meta.url), 'utf8');
const leftOut = (scenario) => scenario.startsWith('auth/') && 'the client has no OAuth yet; it sends the token it is given';

const requiredScenarios = (revision) => {
  const listed = execFileSync('conformance', ['list', '--requirements', revision], { encoding: 'utf8' });
  const section = listed.split(/^Client scenarios.*$/m)[1].split(/^\S/m)[0];
  return [...section.matchAll(/^\s+- (\S+)/gm)].map((match) => match[1]);
};

const run = (revision, scenario) => new Promise((ended) => {
  const out = join(folder, revision, scenario);
  const options = ['client', '--command', program, '--scenario', scenario, '--spec-version', revision, '-o', out];
  execFile('conformance', options, { timeout: 60_000 }, (error, stdout, stderr) => {
    ended({ scenario, code: error?.code ?? 0, checks: checksIn(out), said: `${stdout}${stderr}` });
  });
});

const checksIn = (out) => {
  try {
    const file = readdirSync(out, { recursive: true }).find((name) => name.endsWith('checks.json'));
    return JSON.parse(readFileSync(join(out, file), 'utf8'));
  } catch {
    return [];
  }
};

// One after the other: of two at once, one often ends with 0 and without a verdict.
const runAll = async (revision, scenarios) => {
  const results = [];
  for (const scenario of scenarios) results.push(await run(revision, scenario));
  return results;
};

const count = (checks, status) => checks.filter((check) => check.status === status).length;

const explain = ({ scenario, checks, code, said }) => {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  for (const check of bad) console.log(`  ${check.status} ${scenario}: ${check.id}: ${check.errorMessage ?? check.description}`);
  if (code === 0 && checks.length > 0) return;
  console.log(`  FAILURE ${scenario}: the suite ended with ${code}`);
  if (bad.length === 0) console.log(said.split('\n').slice(-15).join('\n'));
};

const judge = async (revision) => {
  const required = requiredScenarios(revision);
  const results = await runAll(revision, required.filter((scenario) => !leftOut(scenario)));
  let passed = 0;
  let failed = 0;
  for (const result of results) {
    const good = count(result.checks, 'SUCCESS');
    const isGood = result.code === 0 && good > 0;
    passed += good;
    failed += Math.max(count(result.checks, 'FAILURE'), isGood ? 0 : 1);
    explain(result);
    if (isGood) console.log(`  passed: ${result.scenario} (${good} checks)`);
  }
  const others = required.filter(leftOut);
  const reasons = new Set(others.map(leftOut));
  for (const reason of reasons) {
    console.log(`  left out: ${others.filter((scenario) => leftOut(scenario) === reason).join(', ')}: ${reason}`);
  }
  for (const scenario of others.filter((name) => !page.includes(`\`${name}\``))) {
    failed += 1;
    console.log(`  FAILURE ${scenario}: it is left out, and docs/upstreams.md does not say so`);
  }
  console.log(`conformance of the client ${revision}: ${passed} checks passed, ${failed} failed (${results.length} of ${required.length} required scenarios, ${others.length} left out)`);
  return failed === 0 && results.length > 0;
};

let isGood = true;
for (const revision of ['2025-11-25', '2026-07-28']) isGood = await judge(revision) && isGood;
if (!kept) rmSync(folder, { recursive: true, force: true });
process.exitCode = isGood ? 0 : 1;
