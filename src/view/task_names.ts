/** Names of tasks: laws know a task by its pid, a scenario by its name. */
import type { RunReport } from '../lab/index.ts';

export function taskName(report: RunReport, task: string): string {
  return report.tasks.find((t) => String(t.pid) === task)?.name ?? task;
}
