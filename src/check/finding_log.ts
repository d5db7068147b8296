/** What a search found: the first of each kind of violation, in the order in which they were told. */
import type { Finding, Model } from './model.ts';

export class FindingLog {
  readonly findings: Finding[] = [];
  private readonly kinds = new Set<string>();
  private readonly model: Model;

  constructor(model: Model) {
    this.model = model;
  }

  /** Tells those of the properties `news` that `action` broke in a new way; -1: no action did. */
  tell(news: number, action: number, path: () => readonly number[]): void {
    if (news === 0) return;
    const { model, kinds } = this;
    for (let property = 0; property < model.properties.length; property++) {
      if ((news & (1 << property)) === 0) continue;
      const kind = model.kindOf(property, action);
      const key = `${property} ${kind}`;
      if (kinds.has(key)) continue;
      kinds.add(key);
      this.findings.push({ property, kind, actions: [...path()] });
    }
  }

  load(findings: readonly Finding[]): void {
    this.findings.length = 0;
    this.kinds.clear();
    this.findings.push(...findings);
    for (const { property, kind } of findings) this.kinds.add(`${property} ${kind}`);
  }
}
