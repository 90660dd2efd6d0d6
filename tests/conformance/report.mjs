// Counts what the suite wrote: node report.mjs REVISION FOLDER SUITE_EXIT_CODE [websocket]
//
// Only the scenarios that the revision requires decide, and those of extensions that we serve
// (extensions.mjs). One of them without a result is a failure too, as is an exit code of the suite that the counts do not explain. Over WebSocket
// what tests HTTP itself is left out (http_only.mjs), and everything is printed by name.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as extensions from './extensions.mjs';
import * as httpOnly from './http_only.mjs';

const [revision, folder, suite, transport = 'http'] = process.argv.slice(2);
const isWebSocket = transport === 'websocket';

const requiredScenarios = () => {
  const listed = execFileSync('conformance', ['list', '--requirements', revision], { encoding: 'utf8' });
  const section = listed.split(/^Server scenarios.*$/m)[1].split(/^\S/m)[0];
  return [...section.matchAll(/^\s+- (\S+)/gm)].map((match) => match[1]);
};

const readChecks = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []);

const readResults = () => {
  const results = new Map();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const scenario = entry.isDirectory() && /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry.name)?.[1];
    if (scenario) results.set(scenario, readChecks(join(folder, entry.name, 'checks.json')));
  }
  return results;
};

const leftOut = isWebSocket ? httpOnly : { scenarios: {}, checks: {} };
const counts = (scenario) => !(scenario in leftOut.scenarios);
const counting = (scenario, checks) => checks.filter(({ id }) => !(id in (leftOut.checks[scenario] ?? {})));
const count = (checks, status) => checks.filter((check) => check.status === status).length;

const explain = (scenario, checks) => {
  for (const check of checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')) {
    console.log(`  ${check.status} ${scenario}: ${check.id}: ${check.errorMessage ?? check.description}`);
  }
};

const ofExtensions = extensions.scenarios[revision] ?? [];
const required = [...requiredScenarios(), ...ofExtensions];
const results = readResults();
const scored = required.filter(counts);
const good = [];
let passed = 0;
let failed = 0;
for (const scenario of scored) {
  const checks = counting(scenario, results.get(scenario) ?? []);
  const failures = count(checks, 'FAILURE');
  const successes = count(checks, 'SUCCESS');
  passed += successes;
  failed += failures;
  explain(scenario, checks);
  if (checks.length === 0) {
    failed += 1;
    console.log(`  FAILURE ${scenario}: no result`);
  } else if (failures === 0 && successes > 0) {
    good.push(scenario);
  }
}
// Over WebSocket what is left out may be why the suite says 1; anything else it says is a failure.
const explained = suite === '0' || failed > 0 || (isWebSocket && suite === '1');
if (!explained) {
  failed += 1;
  console.log(`  FAILURE the suite ended with ${suite}`);
  console.log(readFileSync(join(folder, 'suite.txt'), 'utf8').split('\n').slice(-15).join('\n'));
}
if (isWebSocket) {
  for (const scenario of good) console.log(`  passed over WebSocket: ${scenario}`);
  for (const [scenario, why] of Object.entries(leftOut.scenarios)) {
    if (results.has(scenario)) console.log(`  left out, HTTP: ${scenario}: ${why}`);
  }
  for (const [scenario, checks] of Object.entries(leftOut.checks)) {
    if (!required.includes(scenario)) continue;
    for (const [id, why] of Object.entries(checks)) console.log(`  left out of ${scenario}, HTTP: ${id}: ${why}`);
  }
}
const name = isWebSocket ? `conformance over WebSocket ${revision}` : `conformance ${revision}`;
const kept = isWebSocket ? `${good.length} of ${scored.length} scenarios passed, ${required.length - scored.length} left out` : '';
console.log(`${name}: ${passed} checks passed, ${failed} failed (${kept || `${required.length} scenarios, ${ofExtensions.length} of them of extensions`})`);

const others = [...results].filter(([scenario]) => !required.includes(scenario) && counts(scenario)).sort();
for (const [scenario, checks] of others) {
  const failures = count(checks, 'FAILURE');
  const why = extensions.leftOut[scenario];
  console.log(`  not scored: ${scenario}: ${count(checks, 'SUCCESS')} passed, ${failures} failed${why ? ` (${why})` : ''}`);
}
process.exitCode = failed === 0 && scored.length > 0 ? 0 : 1;
