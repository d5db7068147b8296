/**
 * Small systems whose state counts are known: by hand, from the literature, or from Spin. They test
 * the explorer and time it; nothing else uses them.
 */
import type { PackedModel } from './packed.ts';

/**
 * Dining philosophers, two bits each: 0 thinks, 1 holds the left fork, 2 eats. Fork i lies between
 * philosophers i-1 and i. Its one deadlock is everybody holding the left fork. At most 16.
 */
export function philosophers(n: number): PackedModel {
  return {
    words: 1,
    fanOut: n,
    initial: (into) => {
      into[0] = 0;
    },
    successors(states, from, into) {
      const s = states[from]!;
      let found = 0;
      for (let i = 0; i < n; i++) {
        const own = (s >>> (2 * i)) & 3;
        if (own === 2) {
          into[found++] = s & ~(3 << (2 * i));
          continue;
        }
        const other = own === 0 ? (i === 0 ? n - 1 : i - 1) : i === n - 1 ? 0 : i + 1;
        const at = (s >>> (2 * other)) & 3;
        // The left fork is taken where the left neighbour eats; the right one where the right
        // neighbour holds anything.
        if (own === 0 ? at !== 2 : at === 0) into[found++] = s + (1 << (2 * i));
      }
      return found;
    },
  };
}

/** The same in Promela, each step one transition. */
export function philosophersPromela(n: number): string {
  return `#define N ${n}
bit fork[N];
active [N] proctype philosopher() {
  do
  :: d_step { fork[_pid] == 0 -> fork[_pid] = 1 };
     d_step { fork[(_pid + 1) % N] == 0 -> fork[(_pid + 1) % N] = 1 };
     d_step { fork[_pid] = 0; fork[(_pid + 1) % N] = 0 }
  od
}
`;
}

/** Sliding puzzle of 3 x 3: nine fields of four bits in two words. 9!/2 positions. */
export function puzzle(): PackedModel {
  const get = (lo: number, hi: number, i: number): number =>
    i < 8 ? (lo >>> (4 * i)) & 15 : hi & 15;
  return {
    words: 2,
    fanOut: 4,
    initial: (into) => {
      into[0] = 0x76543210;
      into[1] = 8;
    },
    successors(states, from, into) {
      const lo = states[from]!;
      const hi = states[from + 1]!;
      let blank = 0;
      while (get(lo, hi, blank) !== 0) blank++;
      let found = 0;
      const column = blank % 3;
      for (let way = 0; way < 4; way++) {
        const other = blank + (way === 0 ? -3 : way === 1 ? 3 : way === 2 ? -1 : 1);
        if (other < 0 || other > 8 || (way === 2 && column === 0) || (way === 3 && column === 2)) {
          continue;
        }
        const tile = get(lo, hi, other);
        let newLo = lo;
        let newHi = hi;
        if (other < 8) newLo &= ~(15 << (4 * other));
        else newHi = 0;
        if (blank < 8) newLo |= tile << (4 * blank);
        else newHi = tile;
        into[2 * found] = newLo;
        into[2 * found + 1] = newHi;
        found++;
      }
      return found;
    },
  };
}

/**
 * Peterson's lock for two, four steps each (raise the flag, give way, wait, leave). Bits 0-1 and 2-3
 * are the places, bit 4 whose turn it is, bits 5-6 the flags. `broken` forgets to give way.
 */
export function petersonLock(broken = false): PackedModel {
  return {
    words: 1,
    fanOut: 2,
    initial: (into) => {
      into[0] = 0;
    },
    successors(states, from, into) {
      const s = states[from]!;
      let found = 0;
      for (let me = 0; me < 2; me++) {
        const place = (s >>> (2 * me)) & 3;
        const other = 1 - me;
        const flag = 32 << me;
        const at = s & ~(3 << (2 * me));
        if (place === 0) into[found++] = at | (1 << (2 * me)) | flag;
        else if (place === 1) {
          const turn = broken ? s & 16 : other << 4;
          into[found++] = (at & ~16) | turn | (2 << (2 * me));
        } else if (place === 2) {
          const free = (s & (32 << other)) === 0 || ((s >>> 4) & 1) === me;
          if (free) into[found++] = at | (3 << (2 * me));
        } else into[found++] = at & ~flag;
      }
      return found;
    },
    isBad: (states, from) => (states[from]! & 15) === 15,
  };
}

/**
 * A bounded queue of `capacity` values out of `values`: sender and receiver. Its states are all
 * words of at most `capacity` letters. Four bits a value, the length in bits 28-31.
 */
export function boundedQueue(capacity: number, values: number): PackedModel {
  return {
    words: 1,
    fanOut: values + 1,
    initial: (into) => {
      into[0] = 0;
    },
    successors(states, from, into) {
      const s = states[from]!;
      const length = s >>> 28;
      const content = s & 0x0fffffff;
      let found = 0;
      if (length > 0) into[found++] = ((length - 1) << 28) | (content >>> 4);
      if (length === capacity) return found;
      for (let value = 0; value < values; value++) {
        into[found++] = ((length + 1) << 28) | content | (value << (4 * length));
      }
      return found;
    },
  };
}
