import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    reporters: ['default', './test/support/count_reporter.ts'],
    testTimeout: 60000,
    passWithNoTests: false,
  },
});
