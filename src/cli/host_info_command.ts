/** `faultline host-info`: the real kernel here, and what can be observed of it. */
import { MASKED } from '../lab/index.ts';
import { type Line, line } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { isSession, openSession } from './host_session.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export async function hostInfoCommand(options: OutputOptions): Promise<number> {
  const out = new Output(options);
  const session = await openSession(1);
  if (!isSession(session)) {
    out.diagnostics([session]);
    if (options.json === true) await writeJson({ available: false, diagnostics: [session] });
    return EXIT_INPUT;
  }
  const info = session.host.info();
  await session.host.close();
  const { release, memoryBytes, readAheadKb, workFileSystem, shmFileSystem } = info;
  const model = { name: session.modelled.release.name, exact: session.modelled.exact };
  const settings = Object.fromEntries(info.settings);
  const cannot = info.settings.has('/sys/kernel/debug/fault_around_bytes')
    ? []
    : ['fault_around_bytes can neither be read nor written (no debugfs, or locked down)'];
  if (options.json === true) {
    const { capabilities } = info;
    const files = { workFileSystem, shmFileSystem, readAheadKb };
    await writeJson({
      available: true,
      release,
      model,
      memoryBytes,
      ...files,
      capabilities,
      anonReadsAllocate: info.anonReadsAllocate,
      settings,
      cannot,
      masked: MASKED,
    });
    return EXIT_OK;
  }
  const lines: Line[] = [
    line(`kernel       ${release}`),
    line(`model        ${model.name}${model.exact ? '' : ' (the next older one)'}`),
    line(`memory       ${Math.round(memoryBytes / 2 ** 20)} MiB`),
    line(
      `files        ${workFileSystem}, read ahead by ${readAheadKb} kB; /dev/shm: ${shmFileSystem}`,
    ),
    line(
      `zero page    ${info.anonReadsAllocate ? 'not mapped by reads of anonymous memory, which allocate' : 'mapped by reads of anonymous memory'}`,
    ),
    ...cannot.map((text) => line(`cannot       ${text}`)),
    line(''),
    line('settings'),
    ...[...info.settings].map(([path, value]) => line(`  ${path} ${value}`)),
    line(''),
    line('not compared'),
    ...MASKED.map(({ what, why }) => line(`  ${what}: ${why}`)),
  ];
  await out.lines(options.quiet === true ? lines.slice(0, 2) : lines);
  return EXIT_OK;
}
