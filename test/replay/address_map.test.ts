/** The map of moved addresses against a plain one: every page by itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressMap } from '../../src/replay/address_map.ts';

const PAGES = 40;

const step = fc.record({
  start: fc.nat(PAGES - 1),
  pages: fc.integer({ min: 1, max: 12 }),
  delta: fc.constantFrom(0, 0, 5, 100, -3),
});

test('every page is where the last range that covers it says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const map = new AddressMap();
      const plain = new Array<number>(PAGES + 12).fill(0);
      for (const { start, pages, delta } of steps) {
        if (delta === 0) map.clear(start, start + pages);
        else map.set(start, start + pages, delta);
        plain.fill(delta, start, start + pages);
      }
      const seen = plain.map((_, vpn) => map.delta(vpn));
      expect(seen).toEqual(plain);
      const pieces = map.pieces(3, PAGES);
      const spread = pieces.flatMap((piece) => new Array<number>(piece.pages).fill(piece.delta));
      expect(spread).toEqual(plain.slice(3, PAGES));
      expect(map.isIdentity).toBe(plain.every((delta) => delta === 0));
      expect(map.copy().pieces(0, PAGES)).toEqual(map.pieces(0, PAGES));
    }),
  );
});
