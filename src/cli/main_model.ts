/**
 * The program with the verbs of the model alone, which starts sooner: half the code is read. It is
 * started for `run`, `compare`, `why` and `kernels` without `--on` (bin/load.js).
 */
import { FaultlineBug } from '../base/index.ts';
import { addModelVerbs } from './model_verbs.ts';
import { runCommandLine } from './program.ts';
import { newProgram } from './verb_options.ts';

runCommandLine((done) => {
  const program = newProgram();
  addModelVerbs(program, done, () => {
    throw new FaultlineBug('--on was given to the program that has the model alone');
  });
  return program;
});
