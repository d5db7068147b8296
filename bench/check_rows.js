/**
 * The explorer on a packed toy, and the checker on the memory model. Goals: states and transitions
 * a second of processor time on one core. Non-goals: the time to print a report.
 */
import { PackedSearch } from '../src/check/index.ts';
import { philosophers, philosophersPromela } from '../src/check/toys.ts';
import { KernelCheck, PRESETS } from '../src/explore/index.ts';
import { findKernel } from '../src/mm/release.ts';

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Rounds of one whole search each; the first warms the code up and does not count. */
function rates(rounds, search) {
  const found = [];
  let last;
  for (let round = -1; round < rounds; round++) {
    const start = cpuSeconds();
    last = search();
    if (round >= 0) found.push(last.count / (cpuSeconds() - start));
  }
  found.sort((a, b) => a - b);
  return { ...last, rate: found[found.length >> 1], best: found.at(-1) };
}

export function explorer({ philosophers: n, rounds }) {
  return {
    ...rates(rounds, () => {
      const { states, transitions } = new PackedSearch(philosophers(n)).run();
      return { states, transitions, count: states };
    }),
    promela: philosophersPromela(n),
  };
}

export function checker({ steps, rounds }) {
  return rates(rounds, () => {
    const check = new KernelCheck(findKernel('6.18'), { bounds: { ...PRESETS.default, steps } });
    while (check.run(1 << 16));
    const { states, transitions, violations } = check.report();
    if (violations.length > 0) throw new Error('6.18 breaks a law');
    return { states, transitions, count: transitions };
  });
}
