export * from './x86_64.ts';
