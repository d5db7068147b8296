// npm run mutate: small mistakes in the model, one at a time; who notices each. Nothing is written.
import { parseArgs } from 'node:util';
import { judge, mutated, sample } from './mutate/harness.js';
import { MUTATIONS } from './mutate/list.js';
import { rowOf, TABLE_HEAD, tally } from './mutate/table.js';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    sample: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    programs: { type: 'string', default: '60' },
    transitions: { type: 'string', default: '400000' },
    json: { type: 'boolean', default: false },
  },
});
const options = { programs: Number(values.programs), transitions: Number(values.transitions) };
const numbered = MUTATIONS.map((m, i) => ({ ...m, number: i + 1 }));
const drawn =
  values.sample === '' ? numbered : sample(numbered, Number(values.sample), Number(values.seed));
const chosen = drawn.filter(
  (m) => values.only === '' || m.file.includes(values.only) || String(m.number) === values.only,
);
for (const mutation of chosen) mutated(mutation);

const sound = await judge(undefined, { ...options, transitions: 0 });
if (sound.law !== undefined || sound.expectation !== undefined) {
  console.error('the model without a mistake is accused:', sound);
  process.exit(1);
}

const isTty = process.stderr.isTTY === true;
const began = performance.now();
const results = [];
let next = 0;
let done = 0;
let printed = 0;
async function work() {
  while (next < chosen.length) {
    const at = next++;
    results[at] = { ...chosen[at], ...(await judge(chosen[at], options)) };
    done++;
    if (isTty) process.stderr.write(`\r${done} of ${chosen.length} \r`);
    // Rows come in order, each when those before it are there.
    while (!values.json && results[printed] !== undefined) {
      console.log(rowOf(results[printed++]));
    }
  }
}
if (!values.json) console.log(TABLE_HEAD);
await Promise.all(Array.from({ length: Number(values.jobs) }, work));

const counted = tally(results);
if (values.json) {
  console.log(JSON.stringify({ ...counted, mutations: results }, null, 1));
} else {
  console.log('\n| noticed by | mistakes |\n| --- | --- |');
  for (const [what, n] of Object.entries(counted.noticed)) console.log(`| ${what} | ${n} |`);
  console.log(`| **all** | **${results.length}** |`);
  const laws = Object.entries(counted.laws).map(([law, n]) => `${law} ${n}`);
  console.log(`\nlaws that spoke first: ${laws.join(', ')}`);
  for (const s of counted.survivors) console.log(`not noticed: #${s.number} ${s.file}: ${s.due}`);
  console.error(`${((performance.now() - began) / 1000).toFixed(0)} s`);
}
process.exitCode = counted.survivors.length > 0 ? 1 : 0;
