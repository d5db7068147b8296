export * from './breadth_first.ts';
export * from './model.ts';
export * from './packed.ts';
export * from './packed_model.ts';
export * from './random_walk.ts';
export { collisionChance, keepNonZero, Seen } from './seen.ts';
