/** `faultline kernels` */
import { kernelList } from '../lab/index.ts';
import { kernelsView, line } from '../view/index.ts';
import { EXIT_OK } from './exit.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export async function kernelsCommand(options: OutputOptions): Promise<number> {
  const kernels = kernelList();
  const out = new Output(options);
  if (options.json === true) await writeJson({ kernels });
  else if (options.quiet === true) await out.lines(kernels.map((kernel) => line(kernel.name)));
  else await out.lines(kernelsView(kernels, out.width));
  return EXIT_OK;
}
