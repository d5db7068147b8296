export { advicePage } from './page.ts';
