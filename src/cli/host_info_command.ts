/** `faultline host-info`: a real kernel, and what can be observed of it. */
import { type Ability, abilitiesOf, configOf, type HostInfo } from '../host/index.ts';
import { type HostRelease, MASKED } from '../lab/index.ts';
import { flow, type Line, line, span } from '../view/index.ts';
import { EXIT_OK } from './exit.ts';
import { exitOf, modelledAs, openHost } from './host_session.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { LivePlace } from './place.ts';

export interface HostInfoCommandOptions extends OutputOptions {
  readonly on: LivePlace;
  readonly kernel?: string;
}

function modelText(modelled: HostRelease | undefined): string {
  if (modelled === undefined) return 'none: older than all that are modelled';
  const { release, exact } = modelled;
  return exact ? release.name : `${release.name} (the next older one)`;
}

function document(info: HostInfo, modelled: HostRelease | undefined) {
  const { release, version, where, memoryBytes, capabilities, anonReadsAllocate } = info;
  const { workFileSystem, shmFileSystem, readAheadKb, diskRequestKb } = info;
  return {
    available: true,
    where,
    release,
    version,
    model: modelled === undefined ? null : { name: modelled.release.name, exact: modelled.exact },
    memoryBytes,
    workFileSystem,
    shmFileSystem,
    readAheadKb,
    diskRequestKb,
    capabilities,
    anonReadsAllocate,
    abilities: abilitiesOf(info),
    config: configOf(info) ?? null,
    settings: Object.fromEntries(info.settings),
    cannot: abilitiesOf(info)
      .filter((ability) => !ability.has)
      .map(({ what, needs }) => `${what}: needs ${needs}`),
    masked: [...MASKED, ...info.unseen],
  };
}

function abilityLine({ what, has, needs }: Ability): Line {
  return has
    ? [span('  ✓ ', 'ok'), span(what)]
    : [span('  ✗ ', 'bad'), span(what), span(`  needs ${needs}`, 'dim')];
}

/** "SMP NUMA=n …", so that what is off can be seen too. */
function configLines(info: HostInfo, width: number): Line[] {
  const config = configOf(info);
  if (config === undefined) return [line('configuration unknown: no /proc/config.gz')];
  const words = Object.entries(config).map(([name, value]) =>
    value === 'y' ? name : `${name}=${value}`,
  );
  return [
    line('configuration'),
    ...flow(
      words.map((text) => line(text)),
      '  ',
      ' ',
      width,
    ),
  ];
}

export async function hostInfoCommand(options: HostInfoCommandOptions): Promise<number> {
  const out = new Output(options);
  const host = await openHost({ jobs: 1, place: options.on });
  if ('severity' in host) {
    out.diagnostics([host]);
    if (options.json === true) await writeJson({ available: false, diagnostics: [host] });
    return exitOf(host);
  }
  const info = host.info();
  await host.close();
  const modelled = modelledAs(info.release, options.kernel);
  if (options.json === true) {
    await writeJson(document(info, modelled));
    return EXIT_OK;
  }
  const { release, version, memoryBytes, workFileSystem, shmFileSystem } = info;
  const requests =
    info.diskRequestKb === undefined ? '' : ` in requests of ${info.diskRequestKb} kB`;
  const zero = info.anonReadsAllocate
    ? 'not mapped by reads of anonymous memory, which allocate'
    : 'mapped by reads of anonymous memory';
  const lines: Line[] = [
    line(`kernel       ${release}`),
    line(`model        ${modelText(modelled)}`),
    line(`built        ${version}`),
    line(`memory       ${Math.round(memoryBytes / 2 ** 20)} MiB`),
    line(
      `files        ${workFileSystem}, read ahead by ${info.readAheadKb} kB${requests}; /dev/shm: ${shmFileSystem}`,
    ),
    line(`zero page    ${zero}`),
    line(''),
    line('can be asked and seen'),
    ...abilitiesOf(info).map(abilityLine),
    line(''),
    ...configLines(info, out.width),
    line(''),
    line('settings'),
    ...[...info.settings].map(([path, value]) => line(`  ${path} ${value}`)),
    line(''),
    line('not compared'),
    ...[...MASKED, ...info.unseen].map(({ what, why }) => line(`  ${what}: ${why}`)),
  ];
  await out.lines(options.quiet === true ? lines.slice(0, 2) : lines);
  return EXIT_OK;
}
