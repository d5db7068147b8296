// npm run mutate: small mistakes in the model, one at a time; who notices each. Nothing is written.
import { parseArgs } from 'node:util';
import { judge, mutated } from './mutate/harness.js';
import { MUTATIONS } from './mutate/list.js';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    programs: { type: 'string', default: '300' },
    transitions: { type: 'string', default: '400000' },
    json: { type: 'boolean', default: false },
  },
});
const options = { programs: Number(values.programs), transitions: Number(values.transitions) };
const chosen = MUTATIONS.map((m, i) => ({ ...m, number: i + 1 })).filter(
  (m) => values.only === '' || m.file.includes(values.only) || String(m.number) === values.only,
);
for (const mutation of chosen) mutated(mutation);

const sound = await judge(undefined, { ...options, transitions: 0 });
if (sound.law !== undefined || sound.expectation !== undefined) {
  console.error('the model without a mistake is accused:', sound);
  process.exit(1);
}

const one = (text) => text.replace(/\s+/g, ' ').slice(0, 56);
const words = (found) => (found === undefined ? '-' : `${found.by} ${found.what} (${found.where})`);
if (!values.json) console.log('| # | file | instead of | stands | noticed by | expectation | s |');
if (!values.json) console.log('| --- | --- | --- | --- | --- | --- | --- |');
const results = [];
let next = 0;
async function work() {
  while (next < chosen.length) {
    const mutation = chosen[next++];
    const found = await judge(mutation, options);
    results.push({ ...mutation, ...found });
    const cells = [
      mutation.number,
      mutation.file.replace(/^src\/mm\/|\.ts$/g, ''),
      `\`${one(mutation.find)}\``,
      mutation.put === '' ? 'nothing' : `\`${one(mutation.put)}\``,
      words(found.law),
      found.expectation === undefined ? '-' : found.expectation.where,
      (found.ms / 1000).toFixed(1),
    ];
    if (!values.json)
      console.log(`| ${cells.map((c) => String(c).replaceAll('|', '\\|')).join(' | ')} |`);
  }
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
const byLaw = results.filter((r) => r.law !== undefined).length;
const byExpectation = results.filter(
  (r) => r.law === undefined && r.expectation !== undefined,
).length;
const survivors = results.filter((r) => r.law === undefined && r.expectation === undefined);
if (values.json) console.log(JSON.stringify({ mutations: results, survivors }, null, 1));
else {
  console.log(
    `\n${results.length} mutations: ${byLaw} noticed by a law, the checker or an assertion, ` +
      `${byExpectation} by an expectation alone, ${survivors.length} by nothing`,
  );
  for (const s of survivors) console.log(`  not noticed: #${s.number} ${s.file}: ${s.due}`);
}
process.exitCode = survivors.length > 0 ? 1 : 0;
