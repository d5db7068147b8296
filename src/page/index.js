export { advicePage } from './page.js';
