/** The answers of a run as tables: one row a mutation, and how many were noticed by whom. */

export const TABLE_HEAD =
  '| # | file | instead of | stands | noticed by | expectation |\n| --- | --- | --- | --- | --- | --- |';

const one = (text) => text.replace(/\s+/g, ' ').trim().slice(0, 56);
const words = (found) =>
  found === undefined
    ? '-'
    : `${found.by} ${found.what}${found.where === '' ? '' : ` (${found.where})`}`;

export function rowOf(result) {
  const cells = [
    result.number,
    result.file.replace(/^src\/mm\/|\.ts$/g, ''),
    `\`${one(result.find)}\``,
    result.put === '' ? 'nothing' : `\`${one(result.put)}\``,
    words(result.law),
    result.expectation === undefined ? '-' : result.expectation.where,
  ];
  return `| ${cells.map((c) => String(c).replaceAll('|', '\\|')).join(' | ')} |`;
}

const KINDS = {
  law: 'a law, in the corpus or in random programs',
  check: 'the checker: faults at the same time',
  assertion: 'an assertion of the model',
  limit: 'the limit: a fault or a split without end',
  expectation: 'an expectation of a scenario alone',
  nothing: 'nothing',
};

/** Each mistake once, by the strongest that noticed. */
export function tally(results) {
  const noticed = Object.fromEntries(Object.values(KINDS).map((words) => [words, 0]));
  const laws = {};
  const survivors = [];
  for (const result of results) {
    const { law, expectation } = result;
    const kind = law?.by ?? (expectation === undefined ? 'nothing' : 'expectation');
    noticed[KINDS[kind]] += 1;
    if (kind === 'nothing') survivors.push(result);
    if (kind === 'law' || kind === 'check') laws[law.what] = (laws[law.what] ?? 0) + 1;
  }
  const sorted = Object.fromEntries(Object.entries(laws).sort((a, b) => b[1] - a[1]));
  return { noticed, laws: sorted, survivors };
}
