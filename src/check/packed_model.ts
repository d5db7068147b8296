/** A packed model as one that the general searches take: for toys, and to test those searches. */
import { ACT_DISABLED, ACT_DONE, type Model } from './model.ts';
import type { PackedModel } from './packed.ts';

/** An action is the number of a successor. */
export function asModel(packed: PackedModel): Model {
  const { words, fanOut } = packed;
  const state = new Int32Array(words);
  const next = new Int32Array(words * fanOut);
  const slots: Int32Array[] = [];
  let possible = 0;
  const look = (): void => {
    possible = packed.successors(state, 0, next);
  };
  return {
    properties: ['bad'],
    actionsMax: fanOut,
    reset() {
      packed.initial(next);
      state.set(next.subarray(0, words));
      look();
    },
    save(slot) {
      slots[slot] ??= new Int32Array(words);
      slots[slot].set(state);
    },
    restore(slot) {
      state.set(slots[slot]!);
      look();
    },
    actions(into) {
      for (let i = 0; i < possible; i++) into[i] = i;
      return possible;
    },
    act(action) {
      if (action >= possible) return ACT_DISABLED;
      state.set(next.subarray(action * words, action * words + words));
      look();
      return ACT_DONE;
    },
    again(action) {
      this.act(action);
    },
    fingerprint(into) {
      let a = 0x2545f491;
      let b = 0x1b873593;
      for (let i = 0; i < words; i++) {
        a = Math.imul(a ^ state[i]!, 0x7feb352d);
        a ^= a >>> 15;
        b = Math.imul(b + state[i]!, 0x846ca68b);
        b ^= b >>> 13;
      }
      into[0] = Math.imul(a ^ (a >>> 16), 0x9e3779b1);
      into[1] = Math.imul(b ^ (b >>> 16), 0xc2b2ae35);
    },
    brokenByAction: () => 0,
    brokenInState: () => (packed.isBad?.(state, 0) === true ? 1 : 0),
    kindOf: () => '',
  };
}
