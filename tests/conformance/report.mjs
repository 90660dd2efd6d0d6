// Counts what the suite wrote: node report.mjs REVISION FOLDER SUITE_EXIT_CODE
//
// Only the scenarios that the revision requires decide. A required scenario without a result
// is a failure too, as is an exit code of the suite that the counts do not explain.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const [revision, folder, suite] = process.argv.slice(2);

const requiredScenarios = () => {
  const listed = execFileSync('conformance', ['list', '--requirements', revision], { encoding: 'utf8' });
  const section = listed.split(/^Server scenarios.*$/m)[1].split(/^\S/m)[0];
  return [...section.matchAll(/^\s+- (\S+)/gm)].map((match) => match[1]);
};

const readResults = () => {
  const results = new Map();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const scenario = entry.isDirectory() && /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry.name)?.[1];
    if (scenario) results.set(scenario, JSON.parse(readFileSync(join(folder, entry.name, 'checks.json'), 'utf8')));
  }
  return results;
};

const count = (checks, status) => checks.filter((check) => check.status === status).length;

const explain = (scenario, checks) => {
  for (const check of checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')) {
    console.log(`  ${check.status} ${scenario}: ${check.id}: ${check.errorMessage ?? check.description}`);
  }
};

const required = requiredScenarios();
const results = readResults();
let passed = 0;
let failed = 0;
for (const scenario of required) {
  const checks = results.get(scenario) ?? [];
  passed += count(checks, 'SUCCESS');
  failed += count(checks, 'FAILURE');
  explain(scenario, checks);
  if (checks.length === 0) {
    failed += 1;
    console.log(`  FAILURE ${scenario}: no result`);
  }
}
if (suite !== '0' && failed === 0) {
  failed += 1;
  console.log(`  FAILURE the suite ended with ${suite}`);
  console.log(readFileSync(join(folder, 'suite.txt'), 'utf8').split('\n').slice(-15).join('\n'));
}
console.log(`conformance ${revision}: ${passed} checks passed, ${failed} failed (${required.length} required scenarios)`);

for (const [scenario, checks] of [...results].filter(([name]) => !required.includes(name)).sort()) {
  const failures = count(checks, 'FAILURE');
  console.log(`  not scored: ${scenario}: ${count(checks, 'SUCCESS')} passed, ${failures} failed`);
}
process.exitCode = failed === 0 && required.length > 0 ? 0 : 1;
