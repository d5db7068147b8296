export * from './breadth_first.ts';
export { DepthFirst } from './depth_first.ts';
export { CHUNK, Expander, ROUND_NEXT, type Round, type Share } from './expander.ts';
export {
  type Checkpoint,
  LevelSearch,
  type SearchEnd,
  type SearchOptions,
} from './level_search.ts';
export * from './model.ts';
export * from './packed.ts';
export * from './packed_model.ts';
export { ParallelSearch } from './parallel_search.ts';
export * from './random_walk.ts';
export { collisionChance, keepNonZero, Seen } from './seen.ts';
