/** Steps about userfaultfd. With UFFD_FEATURE_SIGBUS nobody waits for a handler. */
import type { GenState, Range } from './generate_state.ts';

/** What changes nothing where there is no reader. */
const FEATURES = [
  ...['', '', '', '|UFFD_FEATURE_MISSING_SHMEM', '|UFFD_FEATURE_EXACT_ADDRESS'],
  ...['|UFFD_FEATURE_POISON', '|UFFD_FEATURE_THREAD_ID', '|UFFD_FEATURE_MINOR_SHMEM'],
];

const MODES = [
  'UFFDIO_REGISTER_MODE_MISSING',
  'UFFDIO_REGISTER_MODE_MISSING',
  'UFFDIO_REGISTER_MODE_WP',
  'UFFDIO_REGISTER_MODE_WP',
  'UFFDIO_REGISTER_MODE_MISSING|UFFDIO_REGISTER_MODE_WP',
  'UFFDIO_REGISTER_MODE_MINOR',
  'UFFDIO_REGISTER_MODE_MINOR|UFFDIO_REGISTER_MODE_WP',
];

function make(s: GenState): string {
  const r = s.random;
  const fd = s.name('u');
  const made = s.made.get('uffd') ?? [];
  made.push(fd);
  s.made.set('uffd', made);
  const flags = r.chance(85) ? 'O_NONBLOCK' : 'O_CLOEXEC|O_NONBLOCK|UFFD_USER_MODE_ONLY';
  s.put(`t0: ${fd} = userfaultfd(${flags})`);
  const features = `UFFD_FEATURE_SIGBUS${r.pick(FEATURES)}`;
  s.put(`t0: ioctl(${fd}, UFFDIO_API, {api=UFFD_API, features=${features}})`);
  return fd;
}

function descriptor(s: GenState): string {
  const made = s.made.get('uffd') ?? [];
  if (made.length === 0 || (made.length < 2 && s.random.chance(6))) return make(s);
  return s.random.pick(made);
}

/** Registers a range, and may touch it. */
function register(s: GenState, fd: string): void {
  const r = s.random;
  const found = s.range();
  const { at, pages } = found;
  const range = `{start=${at}, len=${s.bytes(pages)}}`;
  s.put(`t0: ioctl(${fd}, UFFDIO_REGISTER, {range=${range}, mode=${r.pick(MODES)}})`);
  s.watched.push(found);
  const verb = r.pick(['read', 'write', 'write']);
  if (r.chance(40)) s.put(`${s.taskOf(found.area)}: ${verb} ${at} ${s.bytes(Math.min(pages, 33))}`);
}

/** Mostly a registered range or its first pages, so that the call finds what it is about. */
function watched(s: GenState): Range {
  const r = s.random;
  if (s.watched.length === 0 || r.chance(20)) return s.range();
  const range = r.pick(s.watched);
  return r.chance(60) ? range : { ...range, pages: 1 + r.below(range.pages) };
}

function userfault(s: GenState): void {
  const r = s.random;
  const fd = descriptor(s);
  const kind = r.below(28);
  if (kind < 9) {
    register(s, fd);
    return;
  }
  const { at, pages } = watched(s);
  const range = `{start=${at}, len=${s.bytes(pages)}}`;
  if (kind < 11) {
    s.put(`t0: ioctl(${fd}, UFFDIO_REGISTER, {range=${range}, mode=${r.pick(MODES)}})`);
  } else if (kind < 12) {
    s.put(`t0: ioctl(${fd}, UFFDIO_UNREGISTER, ${range})`);
  } else if (kind < 17) {
    const from = `${s.range().at}${r.chance(8) ? '+100' : ''}`;
    const copy = `{dst=${at}, src=${from}, len=${s.bytes(Math.min(pages, 20))}`;
    const mode = r.chance(75) ? '0' : 'UFFDIO_COPY_MODE_WP';
    s.put(`t0: ioctl(${fd}, UFFDIO_COPY, ${copy}, mode=${mode}})`);
  } else if (kind < 19) {
    s.put(`t0: ioctl(${fd}, UFFDIO_ZEROPAGE, {range=${range}, mode=0})`);
  } else if (kind < 24) {
    const mode = r.chance(70) ? 'UFFDIO_WRITEPROTECT_MODE_WP' : '0';
    s.put(`t0: ioctl(${fd}, UFFDIO_WRITEPROTECT, {range=${range}, mode=${mode}})`);
  } else if (kind < 26) {
    const mode = r.chance(70) ? '0' : 'UFFDIO_CONTINUE_MODE_WP';
    s.put(`t0: ioctl(${fd}, UFFDIO_CONTINUE, {range=${range}, mode=${mode}})`);
  } else {
    const few = `{start=${at}, len=${s.bytes(Math.min(pages, 8))}}`;
    s.put(`t0: ioctl(${fd}, UFFDIO_POISON, {range=${few}, mode=0})`);
  }
}

/** Wrong arguments, and calls that come too early or twice. */
function oddUserfault(s: GenState): void {
  const r = s.random;
  const fd = descriptor(s);
  const { at, pages } = watched(s);
  const len = s.bytes(pages);
  const range = `{start=${at}, len=${len}}`;
  const missing = 'UFFDIO_REGISTER_MODE_MISSING';
  s.put(
    `t0: ${r.pick([
      'userfaultfd(4)',
      `ioctl(${fd}, UFFDIO_API, {api=UFFD_API, features=UFFD_FEATURE_SIGBUS})`,
      `ioctl(${fd}, UFFDIO_API, {api=1, features=0})`,
      `ioctl(${fd}, UFFDIO_API, {api=UFFD_API, features=1<<40})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range=${range}, mode=0})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range=${range}, mode=8})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=${at}+1, len=${len}}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=${at}, len=0}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=0, len=4K}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=${at}, len=-4096}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=0x7fffffffe000, len=64K}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_REGISTER, {range={start=64G, len=4K}, mode=${missing}})`,
      `ioctl(${fd}, UFFDIO_UNREGISTER, {start=${at}, len=100})`,
      `ioctl(${fd}, UFFDIO_UNREGISTER, {start=64G, len=4K})`,
      `ioctl(${fd}, UFFDIO_COPY, {dst=${at}, src=${at}, len=4K, mode=4})`,
      `ioctl(${fd}, UFFDIO_COPY, {dst=${at}, src=-4096, len=8K, mode=0})`,
      `ioctl(${fd}, UFFDIO_COPY, {dst=${at}, src=64G, len=4K, mode=0})`,
      `ioctl(${fd}, UFFDIO_ZEROPAGE, {range=${range}, mode=2})`,
      `ioctl(${fd}, UFFDIO_WRITEPROTECT, {range=${range}, mode=3})`,
      `ioctl(${fd}, UFFDIO_WRITEPROTECT, {range={start=64G, len=4K}, mode=1})`,
      `ioctl(${fd}, UFFDIO_CONTINUE, {range=${range}, mode=4})`,
      `ioctl(${fd}, UFFDIO_WAKE, ${range})`,
      `ioctl(${fd}, 0xc020aa77, {start=${at}, len=${len}})`,
      `close(${fd})`,
    ])}`,
  );
}

export const UFFD_FAMILIES = { userfault, oddUserfault } as const;
