/** The order of events of a program with concurrent faults, in words: a scenario has no words for it. */
import { LAWS, LawBook, type LawName } from '../laws/index.ts';
import {
  PHASE_ANON_INSTALL,
  PHASE_BACKING,
  PHASE_BEGIN,
  PHASE_FINISH,
  PHASE_WP_INSTALL,
  type Vmf,
} from '../mm/vmf.ts';
import { OP_FAULT, OP_PHASE, sizeText, TASK_NAMES } from './alphabet.ts';
import type { MemoryModel } from './memory_model.ts';
import { Cast } from './program_text.ts';

const PHASES: Readonly<Record<number, string>> = {
  [PHASE_BEGIN]: 'begins anew: looks up the VMA and the entry',
  [PHASE_ANON_INSTALL]: 'has its folio; takes the page-table lock, checks again, installs',
  [PHASE_BACKING]: "calls the file's ->fault: finds or makes the page, locks its folio",
  [PHASE_FINISH]: 'finish_fault(): takes the page-table lock, checks again, installs',
  [PHASE_WP_INSTALL]: 'has its copy; takes the page-table lock, checks again, installs',
};

function whose(vmf: Vmf): string {
  return `${TASK_NAMES[vmf.task]!}'s fault at ${sizeText(vmf.vpn)}`;
}

/** One line an action. The model is left in the last state. */
export function schedule(model: MemoryModel, actions: readonly number[]): string[] {
  const { sm } = model.world;
  const cast = new Cast(model.world.bounds);
  model.reset();
  return actions.map((number) => {
    const action = model.alphabet[number]!;
    const vmf = action.op === OP_PHASE ? sm.vmfs[action.arg]! : undefined;
    let text = cast.lineOf(action, (task) => model.world.isFree(task));
    if (vmf !== undefined) text = `${whose(vmf)} ${PHASES[vmf.phase]!}`;
    model.act(number);
    const begun = action.op === OP_FAULT && sm.vmfs.some((one) => one.task === action.task);
    return begun ? `${text}   (a fault begins)` : text;
  });
}

/** The words of a law that the model's current state breaks. */
export function lawWords(model: MemoryModel, law: LawName): string {
  const found = new LawBook(model.world.m).check([law], model.faults)[0];
  if (found !== undefined) return found.message;
  return `law ${law}: this must always hold: ${LAWS.find((one) => one.name === law)!.always}`;
}
