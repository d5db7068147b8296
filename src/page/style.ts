/** The page's style: light and dark by the reader's wish, narrow screens, paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fff; --text: #1d2228; --dim: #5c6570; --rule: #d9dee3; --panel: #f5f7f9;
  --accent: #0a6bbf; --faint: #9aa5b1; --warn: #9a5b00;
  --line-0: #5c6570; --line-1: #0a6bbf; --line-2: #c2410c; --line-3: #15803d;
  --line-4: #7c3aed; --line-5: #b91c6b; --line-6: #0e7490; --line-7: #a16207;
  --order-0: #c9d1d9; --order-1: #b6d5e8; --order-2: #8fc1df; --order-3: #66a9d2;
  --order-4: #3d8fc2; --order-5: #2276ad; --order-6: #1a6094; --order-7: #144b76;
  --order-8: #7b5ba6; --order-9: #c2410c;
  --heat-0: #dbe9f6; --heat-1: #9dc8e4; --heat-2: #4f9bcb; --heat-3: #1b6aab; --heat-4: #08306b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181d; --text: #e3e8ed; --dim: #9aa5b1; --rule: #333b44; --panel: #1c2229;
    --accent: #5ab0f5; --faint: #66717d; --warn: #e0a84e;
    --line-0: #aab4bf; --line-1: #5ab0f5; --line-2: #fb923c; --line-3: #4ade80;
    --line-4: #b79bf7; --line-5: #f472b6; --line-6: #37c3dd; --line-7: #e3bf4f;
    --order-0: #4b5560; --order-1: #37566b; --order-2: #33677f; --order-3: #327d9c;
    --order-4: #3294bb; --order-5: #43aad4; --order-6: #6bc0e4; --order-7: #9bd5ef;
    --order-8: #b79bf7; --order-9: #fb923c;
    --heat-0: #22384d; --heat-1: #27587f; --heat-2: #3283b8; --heat-3: #63b2e6; --heat-4: #c5e6fb;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 860px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 36px 0 4px; }
p { margin: 6px 0; }
.dim, figcaption { color: var(--dim); }
.warn { color: var(--warn); }
.advice {
  background: var(--panel); border-left: 4px solid var(--accent); padding: 12px 16px; margin: 20px 0;
}
.advice strong { font-size: 1.15rem; }
.numbers { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 10px 0 0; padding: 0; list-style: none; }
.numbers b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
pre {
  background: var(--panel); padding: 10px 12px; overflow-x: auto; font-size: 12.5px; margin: 6px 0;
}
figure { margin: 8px 0 0; }
figure svg { width: 100%; height: auto; display: block; font-family: inherit; }
figcaption { font-size: 0.9rem; }
.narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 0.85rem; margin: 4px 0; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 6px; vertical-align: -1px; border-radius: 2px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 12em; }
.command { font-size: 0.8rem; color: var(--dim); overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--dim); }
tr.best td { font-weight: 700; background: var(--panel); }
tr.over td:nth-child(5), tr.full td:nth-child(4) { color: var(--warn); }
footer { margin-top: 40px; font-size: 0.85rem; color: var(--dim); }
@media (max-width: 600px) {
  main { padding: 16px 12px 32px; }
  .wide { display: none; }
  .narrow { display: block; }
  table { font-size: 0.74rem; }
  th { white-space: normal; vertical-align: bottom; }
  th, td { padding: 3px 5px; }
  th:first-child, td:first-child { min-width: 8em; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --text: #000; --dim: #444; --rule: #bbb; --panel: #f3f3f3;
    --accent: #0a6bbf; --faint: #888; --warn: #7a4700;
    --line-0: #5c6570; --line-1: #0a6bbf; --line-2: #c2410c; --line-3: #15803d;
    --line-4: #7c3aed; --line-5: #b91c6b; --line-6: #0e7490; --line-7: #a16207;
    --order-0: #c9d1d9; --order-1: #b6d5e8; --order-2: #8fc1df; --order-3: #66a9d2;
    --order-4: #3d8fc2; --order-5: #2276ad; --order-6: #1a6094; --order-7: #144b76;
    --order-8: #7b5ba6; --order-9: #c2410c;
    --heat-0: #dbe9f6; --heat-1: #9dc8e4; --heat-2: #4f9bcb; --heat-3: #1b6aab; --heat-4: #08306b;
  }
  body { font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  figure, .advice, pre, tr { break-inside: avoid; }
  pre + p { break-after: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 8.5pt; }
  th, td { padding: 2px 5px; }
  pre { white-space: pre-wrap; }
}
`;
